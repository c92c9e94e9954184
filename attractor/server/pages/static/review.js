// The review of a result: files are marked as viewed, and the token of a decision is typed once.

import { insert, say } from "./live.js";

// In the memory of this page only: never in a cookie, a storage or the HTML.
let token = "";

function fill() {
  for (const field of document.querySelectorAll("input[name=token]")) {
    field.value = token;
    if (token) document.getElementById(`${field.id}-hint`).textContent = "Filled in until you leave this page.";
  }
}

function forget() {
  token = "";
  fill();
}

// The page stays when a form is sent, so that its memory does.
async function send(event) {
  const form = event.target;
  if (event.defaultPrevented || !form.elements.token) return;
  event.preventDefault();
  const typed = form.elements.token.value;
  const body = new URLSearchParams(new FormData(form, event.submitter));
  let fault = "The server does not answer: what you typed is still here. Try again.";
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
    fault = `The server answered ${answer.status}: reload the page to see what is recorded.`;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("decide")) {
      token = page.querySelector("[name=token][aria-invalid]") ? "" : typed;
      show(page, form.closest("section").getAttribute("aria-labelledby"));
      return;
    }
  } catch {
    // Without an answer, the fault says so.
  } finally {
    // The form stays if the same page is the answer again.
    delete form.dataset.sent;
  }
  complain(form, fault);
}

function show(page, label) {
  insert("main", page, true);
  fill();
  const section = document.querySelector(`section[aria-labelledby="${label}"]`);
  section.tabIndex = -1;
  const decide = document.getElementById("decide");
  // The answer is in view, wherever the page was scrolled to.
  const said = document.querySelector("main > .notice");
  if (said) decide.querySelector(".body").prepend(said);
  say([...decide.querySelectorAll(".notice")].map((one) => one.textContent).join(" "));
  (document.querySelector("main [autofocus]") || section).focus();
}

function complain(form, fault) {
  const line = form.querySelector("[data-fault]") || form.appendChild(document.createElement("p"));
  Object.assign(line, { className: "fault", role: "alert", textContent: fault });
  line.dataset.fault = "";
}

// Marks belong to a run and to what a file contains: other changes of the file are not viewed yet.
const VIEWED = "viewed";
const MOST_VIEWED = 2000; // marks that the browser keeps, of all runs

const run = location.pathname.match(/^\/runs\/([^/]+)/)?.[1];
const markOf = (box) => `${run}/${box.dataset.viewed}`;

function readMarks() {
  try {
    return [...JSON.parse(localStorage.getItem(VIEWED) || "[]")];
  } catch {
    return []; // another program of this origin wrote it
  }
}

const boxes = () => [...document.querySelectorAll("[data-viewed]")];
const fileOf = (box) => box.closest(".changed").querySelector("details");

function showMarks(isNew) {
  const marks = new Set(readMarks());
  for (const box of boxes()) {
    box.closest("label").hidden = false;
    box.checked = marks.has(markOf(box));
    if (isNew && box.checked) fileOf(box).open = false;
    for (const link of document.querySelectorAll(`.file-tree a[href="#${CSS.escape(fileOf(box).id)}"]`))
      link.toggleAttribute("data-is-viewed", box.checked);
  }
  const number = boxes().filter((one) => one.checked).length;
  const count = document.querySelector("[data-viewed-count]");
  if (count) count.textContent = `${number} of ${boxes().length} viewed`;
}

function mark({ target: box }) {
  if (!box.matches("[data-viewed]")) return;
  const others = readMarks().filter((one) => one !== markOf(box));
  const marks = box.checked ? [...others, markOf(box)] : others;
  localStorage.setItem(VIEWED, JSON.stringify(marks.slice(-MOST_VIEWED)));
  fileOf(box).open = !box.checked;
  showMarks(false);
}

// A link to a file opens it.
function unfold({ target }) {
  const link = target.closest?.(".file-tree a");
  if (link) document.getElementById(link.hash.slice(1)).open = true;
}

document.addEventListener("change", mark);
document.addEventListener("click", unfold);
document.addEventListener("inserted", ({ detail }) => showMarks(detail?.isAsked));
addEventListener("storage", () => showMarks(false));
showMarks(true);
document.addEventListener("submit", send);
addEventListener("pagehide", forget);

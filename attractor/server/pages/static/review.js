// The review of a result: its token is typed once.

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
      show(page);
      return;
    }
  } catch {
    // Without an answer, the fault says so.
  }
  delete form.dataset.sent;
  complain(form, fault);
}

function show(page) {
  insert("main", page, true);
  fill();
  const decide = document.getElementById("decide");
  // The answer is in view, wherever the page was scrolled to.
  const said = document.querySelector("main > .notice");
  if (said) decide.querySelector(".body").prepend(said);
  say([...decide.querySelectorAll(".notice")].map((one) => one.textContent).join(" "));
  (document.querySelector("main [autofocus]") || decide).focus();
}

function complain(form, fault) {
  const line = form.querySelector("[data-fault]") || form.appendChild(document.createElement("p"));
  Object.assign(line, { className: "fault", role: "alert", textContent: fault });
  line.dataset.fault = "";
}

document.addEventListener("submit", send);
addEventListener("pagehide", forget);

// The output of a stage: its search, links to its lines, wrapped lines, and keys.

import { open } from "./run.js";

const log = () => document.querySelector(".log[data-address]");
const byId = (id) => document.getElementById(id);

// Show the line of the address in the middle of the output; the page moves no more than needed.
function show() {
  const line = log()?.querySelector(".log-line[aria-current]");
  if (!line) return;
  const frame = line.closest("[data-scroll]");
  const [inner, outer] = [line, frame].map((one) => one.getBoundingClientRect());
  frame.scrollTop += inner.y + inner.height / 2 - outer.y - outer.height / 2;
  line.scrollIntoView({ block: "nearest" });
}

function mark(line) {
  log().querySelector(".log-line[aria-current]")?.removeAttribute("aria-current");
  line.setAttribute("aria-current", "true");
}

// The link to a line has the address of its stage, wherever the page was opened.
function link(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const line = event.target.closest?.(".log[data-address] .log-line > a")?.parentElement;
  if (!line) return;
  event.preventDefault();
  history.replaceState(history.state, "", `${log().dataset.address}&line=${line.id.slice(1)}#${line.id}`);
  mark(line);
}

async function search(event) {
  const form = event.target.closest(".log form");
  if (!form) return;
  event.preventDefault();
  const address = new URL(form.action);
  address.search = new URLSearchParams(new FormData(form));
  await open(address.href, { isStep: false });
  // Now n and N go on.
  log()?.querySelector("[data-scroll]").focus({ preventScroll: true });
}

const KEYS = { "/": "log-search", n: "log-next", N: "log-previous" };

// In the output, its keys win over those of the page.
function press(event) {
  const found = byId(KEYS[event.key]);
  if (!found || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!byId("use-keys").checked || !event.target.closest(".stage") || event.target.matches("input")) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.key === "/") found.select();
  else found.click();
}

function wrap() {
  if (byId("log-wrap")) byId("log-wrap").checked = localStorage.getItem("wrap") !== "off";
}

function keep({ target }) {
  if (target.id === "log-wrap") localStorage.setItem("wrap", target.checked ? "on" : "off");
}

function begin() {
  wrap();
  const { hash } = location;
  const line = /^#L\d{1,9}$/.test(hash) && log() && byId(hash.slice(1));
  if (line) mark(line);
  if (line === null) open(location.href, { isNew: false });
  else show();
}

document.addEventListener("click", link);
document.addEventListener("submit", search);
document.addEventListener("change", keep);
document.addEventListener("keydown", press, true);
document.addEventListener("inserted", ({ detail }) => {
  wrap();
  if (detail?.isAsked) show();
});
begin();

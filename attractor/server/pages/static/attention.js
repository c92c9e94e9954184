// The page Attention: opens a row beside the list, and moves between rows with j and k.

import { ask, insert, refresh, say } from "./live.js";

const detail = () => document.getElementById("row");
const links = () => [...document.querySelectorAll("#rows a[data-row]")];

let opening = new AbortController();

async function open(link, isNew = true) {
  // An answer that comes late must not replace a row that was chosen after it.
  opening.abort();
  const own = (opening = new AbortController());
  const address = link.getAttribute("href");
  const page = await ask(address, ["row"], own.signal, true).catch(() => null);
  if (own.signal.aborted) return;
  if (!page?.getElementById("row")) {
    location.assign(address);
    return;
  }
  insert("row", page, true);
  if (isNew) history.replaceState(null, "", address);
  for (const one of document.querySelectorAll("[data-part]")) one.dataset.part = address;
  for (const one of links()) mark(one);
  if (matchMedia("(max-width: 899px)").matches) detail().scrollIntoView();
  say(detail().querySelector("article")?.getAttribute("aria-label") || "");
}

function mark(link) {
  if (link.dataset.row === detail().dataset.chosen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function click(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest?.("#rows a[data-row]");
  if (!link) return;
  event.preventDefault();
  open(link);
}

function press(event) {
  const step = { j: 1, k: -1 }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || !document.getElementById("use-keys").checked) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (step) {
    const all = links();
    const at = all.findIndex((one) => one.hasAttribute("aria-current"));
    const link = all[at < 0 ? 0 : at + step];
    link?.focus({ preventScroll: false });
    if (link) open(link);
  } else if (event.key === "Enter" && event.target.closest("#rows, body") && !event.target.closest("#row button, #row a, summary")) {
    if (event.target.closest("a") && !event.target.hasAttribute("aria-current")) return;
    event.preventDefault();
    detail().querySelector(".question, form .choices button, form textarea, form input:not([type=hidden]), a.button")?.focus();
  }
}

// A chosen row that was settled elsewhere is shown so; without one, the first that comes is shown.
function inserted({ target }) {
  if (target.id === "row") links().forEach(mark);
  if (target.id !== "rows") return;
  if (!links().some((one) => one.dataset.row === detail().dataset.chosen)) refresh(detail());
}

document.addEventListener("click", click);
document.addEventListener("keydown", press);
document.addEventListener("inserted", inserted);

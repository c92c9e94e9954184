// The editor of pipelines: checks and draws while a person types, and proposes words.

const PAUSE = 400; // ms after the last key
const form = document.querySelector("form.editor");
const source = document.getElementById("source");
const proposals = document.getElementById("proposals");
const saved = source.value;
let timer = 0;
let asked = 0;

function headers(type) {
  return { "content-type": type, "x-csrf-token": form.elements.csrf.value };
}

async function check() {
  const turn = ++asked;
  const body = new URLSearchParams(new FormData(form));
  const type = "application/x-www-form-urlencoded";
  const answer = await fetch(`${form.action}${form.action.includes("?") ? "&" : "?"}fragment=colours,checked`, { method: "POST", headers: headers(type), body });
  if (!answer.ok || turn !== asked) return; // a newer text is being checked
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["checked", "colours"])
    document.getElementById(id).replaceWith(document.adoptNode(parsed.getElementById(id)));
  showText();
}

// The text is transparent: the layer behind it shows the same lines with colours, numbers and
// problems. A changed line has no colours until the server answers.
function showText() {
  const colours = document.getElementById("colours");
  const shown = [...colours.children];
  const lines = source.value.split("\n");
  const most = Math.min(shown.length, lines.length);
  let first = 0;
  while (first < most && shown[first].textContent === lines[first]) first++;
  let last = 0;
  while (last < most - first && shown.at(-1 - last).textContent === lines.at(-1 - last)) last++;
  const fresh = lines.slice(first, lines.length - last).map((text) => {
    const line = document.createElement("div");
    line.textContent = text;
    return line;
  });
  for (const one of shown.slice(first, shown.length - last)) one.remove();
  if (first) shown[first - 1].after(...fresh);
  else colours.prepend(...fresh);
  scroll();
  showPlace();
}

function scroll() {
  document.getElementById("colours").scrollTo(source.scrollLeft, source.scrollTop);
}

function place() {
  const before = source.value.slice(0, source.selectionStart);
  return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
}

function showPlace() {
  const { line, column } = place();
  const problem = document.getElementById("colours").children[line - 1]?.dataset.problem;
  // In its line, a long message is cut.
  document.getElementById("cursor").textContent = `Line ${line}, column ${column}${problem ? `: ${problem}` : ""}.`;
}

function goTo(line, column) {
  const lines = source.value.split("\n");
  const at = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
  source.focus();
  source.setSelectionRange(at, at);
  const height = source.scrollHeight / lines.length;
  source.scrollTop = Math.max(0, (line - 5) * height);
}

async function propose() {
  const body = JSON.stringify({ source: source.value, file: form.elements.file.value, ...place() });
  const answer = await fetch("/api/v1/complete", { method: "POST", headers: headers("application/json"), body });
  if (!answer.ok) return;
  const { begun, proposals: words } = await answer.json();
  proposals.replaceChildren(...words.map((one, at) => option(one, at, begun)));
  proposals.hidden = !words.length;
  if (words.length) choose(0);
}

function option({ text, detail, documentation }, at, begun) {
  const item = document.createElement("li");
  item.role = "option";
  item.id = `proposal-${at}`;
  item.title = documentation;
  item.textContent = detail ? `${text}  ${detail}` : text;
  item.dataset.word = text;
  item.dataset.begun = begun;
  item.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the text keeps the focus
    accept(item);
  });
  return item;
}

function chosen() {
  return proposals.querySelector("[aria-selected=true]");
}

function choose(at) {
  const items = [...proposals.children];
  for (const one of items) one.setAttribute("aria-selected", "false");
  const item = items[(at + items.length) % items.length];
  item.setAttribute("aria-selected", "true");
  item.scrollIntoView({ block: "nearest" });
  source.setAttribute("aria-activedescendant", item.id);
}

function close() {
  proposals.hidden = true;
  source.removeAttribute("aria-activedescendant");
}

function accept(item) {
  const end = source.selectionStart;
  source.setRangeText(item.dataset.word, end - item.dataset.begun.length, end, "end");
  close();
  source.dispatchEvent(new Event("input"));
}

function press(event) {
  if (event.ctrlKey && event.code === "Space") {
    event.preventDefault();
    propose();
    return;
  }
  if (proposals.hidden) return;
  const at = [...proposals.children].indexOf(chosen());
  const actions = {
    ArrowDown: () => choose(at + 1),
    ArrowUp: () => choose(at - 1),
    Enter: () => accept(chosen()),
    Tab: () => accept(chosen()),
    Escape: close,
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

source.addEventListener("input", () => {
  showText();
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
  if (!proposals.hidden) propose();
});
source.addEventListener("keydown", press);
source.addEventListener("blur", close);
source.addEventListener("scroll", scroll);
document.addEventListener("selectionchange", showPlace);
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  goTo(Number(link.dataset.line), Number(link.dataset.column));
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
  event.preventDefault();
  form.requestSubmit(form.querySelector("[formaction^='/editor/save']"));
});
function warn(event) {
  const isSent = form.dataset.sent && form.dataset.sent !== "asks";
  if (source.value !== saved && !isSent) event.preventDefault();
}
addEventListener("beforeunload", warn);
document.getElementById("source-frame").classList.add("coloured");
showText();

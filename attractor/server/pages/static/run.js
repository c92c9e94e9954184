// The page of a run: opens stages beside the graph, and moves between stages with the arrow keys.

import { withLook } from "./graph.js";
import { ask, insert, refresh, say } from "./live.js";

const stage = () => document.getElementById("stage");

function stageLink(target) {
  return target.closest?.("a[data-stage], #canvas a[data-node]:not([data-look])");
}

function addressOf(link) {
  return link.getAttribute("href");
}

let opening = new AbortController();

export async function open(address, { isNew = true, isStep = isNew } = {}) {
  // An answer that comes late must not replace the stage of a later click or step back.
  opening.abort();
  const own = (opening = new AbortController());
  const { hash } = new URL(address, location.href);
  address = withLine(withLook(address, location.href), hash);
  // Without an answer the browser says why.
  const page = await ask(address, ["stage"], own.signal).catch(() => null);
  if (own.signal.aborted) return;
  if (!page?.getElementById("stage")) {
    location.assign(address + hash);
    return;
  }
  insert("stage", page, true);
  if (isStep) history.pushState({ stage: address }, "", address + hash);
  else if (isNew) history.replaceState({ stage: address }, "", address + hash);
  const row = document.querySelector(`#timeline a[data-stage="${CSS.escape(stage().dataset.selected)}"]`);
  if (row?.closest("details")) row.closest("details").open = true;
  // From now on all fragments are those of this stage.
  for (const one of document.querySelectorAll("[data-part]"))
    one.dataset.part = stage().dataset.part;
  if (isNew && matchMedia("(max-width: 999px)").matches) stage().scrollIntoView();
  say((document.getElementById("log-found") || document.getElementById("stage-title")).textContent);
}

// A server does not get the hash of an address.
function withLine(address, hash) {
  const line = hash.match(/^#L(\d{1,9})$/);
  if (!line) return address;
  const url = new URL(address, location.href);
  url.searchParams.set("line", line[1]);
  return url.pathname + url.search;
}

function mark(id) {
  const node = stage().dataset.node;
  for (const one of document.querySelectorAll("#canvas a[data-node]"))
    set(one, one.dataset.node === node);
  for (const one of document.querySelectorAll("#timeline a[data-stage]")) set(one, one.dataset.stage === id);
}

function set(link, isCurrent) {
  if (isCurrent) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

function click(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = stageLink(event.target);
  if (!link || !stage() || !document.getElementById("graph")) return;
  event.preventDefault();
  open(addressOf(link), { isStep: !link.closest(".log") });
}

// Of the links in the direction of an arrow key, the nearest one; sideways counts double.
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function middle(element) {
  const box = element.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

function move(event) {
  const arrow = ARROWS[event.key];
  const canvas = event.target.closest?.("#canvas");
  if (!arrow || !canvas || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...canvas.querySelectorAll("a[data-node]")];
  const from = event.target.closest("a[data-node]");
  if (!from) {
    (links.find((one) => one.hasAttribute("aria-current")) || links[0])?.focus();
    event.preventDefault();
    return;
  }
  const [x, y] = middle(from);
  let best = null;
  let least = Infinity;
  for (const one of links) {
    const [dx, dy] = [middle(one)[0] - x, middle(one)[1] - y];
    const along = dx * arrow[0] + dy * arrow[1];
    const aside = Math.abs(dx * arrow[1]) + Math.abs(dy * arrow[0]);
    if (one !== from && along > 1 && along + 2 * aside < least) {
      best = one;
      least = along + 2 * aside;
    }
  }
  if (!best) return;
  event.preventDefault();
  best.focus();
}

// With a script the graph is one stop of the Tab key: arrow keys move inside it.
function rove() {
  const links = [...document.querySelectorAll("#canvas a[data-node]")];
  const first = links.find((one) => one.hasAttribute("aria-current")) || links[0];
  for (const one of links) one.setAttribute("tabindex", one === first ? "0" : "-1");
}

// All bars of the timeline have the same scale, which grows while the run goes on.
function scale() {
  const timeline = document.getElementById("timeline");
  for (const one of timeline?.querySelectorAll("svg.bars") || [])
    one.setAttribute("viewBox", `0 0 ${timeline.dataset.span} 10`);
}

function inserted(event) {
  if (event.target.matches?.("#timeline")) scale();
  if (stage() && event.target.matches?.("#graph, #timeline, #stage")) mark(stage().dataset.selected);
  if (event.target.matches?.("#graph, #stage")) rove();
  if (event.target.matches?.("#head, #stage")) offer();
}

// The rows of a folded branch, and the choices of a closed menu, do not travel until it is opened.
function unfold(event) {
  if (event.target.open && event.target.matches("[data-lazy]")) refresh(event.target.closest("[data-part]"));
}

// The menu of forks begins with the stage in view, until a person chooses another one.
function offer() {
  const choice = document.getElementById("fork-at");
  const visit = stage()?.dataset.visit;
  if (!choice || !visit || choice.dataset.chosenAt === visit) return;
  if ([...choice.options].some((one) => one.value === visit)) choice.value = visit;
}

function choose({ target }) {
  if (target.id === "fork-at") target.dataset.chosenAt = stage()?.dataset.visit || "";
}

document.addEventListener("change", choose);
document.addEventListener("toggle", unfold, true);
document.addEventListener("click", click);
document.addEventListener("keydown", move);
document.addEventListener("inserted", inserted);
addEventListener("popstate", () => {
  if (stage() && document.getElementById("graph")) open(location.href, { isNew: false });
});
rove();

// The view of a run's graph: fit, zoom, drag, search, follow, folded branches, and a map of the whole.

import { ask, insert, say } from "./live.js";

const LEAST = 0.25;
const LEAST_TEXT = 11;
const MOST = 2;
const STEP = 1.25;
const byId = (id) => document.getElementById(id);
const canvas = () => byId("canvas");
const drawing = () => canvas()?.querySelector("svg.attractor-drawing");

let zoom = 1;

// The size of a drawing without zoom, in pixels: its box is in points.
function sizeOf(svg) {
  const { width, height } = svg.viewBox.baseVal;
  return [(width * 4) / 3, (height * 4) / 3];
}

// Change the zoom; the point of the drawing at `at`, in the window, stays where it is.
function zoomTo(wanted, at) {
  const [svg, frame] = [drawing(), canvas()];
  if (!svg) return;
  const box = frame.getBoundingClientRect();
  const [x, y] = at || [box.x + frame.clientWidth / 2, box.y + frame.clientHeight / 2];
  const before = svg.getBoundingClientRect();
  const share = [(x - before.x) / before.width, (y - before.y) / before.height];
  zoom = wanted;
  const [width, height] = sizeOf(svg);
  svg.style.width = `${width * zoom}px`;
  svg.style.height = `${height * zoom}px`;
  svg.style.minWidth = "0";
  const after = svg.getBoundingClientRect();
  frame.scrollLeft += after.x + share[0] * after.width - x;
  frame.scrollTop += after.y + share[1] * after.height - y;
  byId("zoom").textContent = `${Math.round(zoom * 100)} %`;
  chart();
}

const bounded = (wanted) => Math.min(MOST, Math.max(LEAST, wanted));

function fitting() {
  const [width, height] = sizeOf(drawing());
  const frame = canvas();
  return Math.min((frame.clientWidth - 16) / width, (frame.clientHeight - 16) / height, 1);
}

// The zoom at which the smallest text can be read.
function readable() {
  const sizes = [...drawing().querySelectorAll("text[font-size]")].map((one) => one.getAttribute("font-size"));
  return sizes.length ? (LEAST_TEXT * 1.001 * 3) / 4 / Math.min(...sizes) : LEAST;
}

// The text of a graph that fits can be read; what then does not fit is on the map.
function fit() {
  if (!drawing()) return;
  zoomTo(Math.max(fitting(), readable()));
  canvas().scrollTo(0, 0);
}

// A copy of the drawing without texts and links.
let isCharted = false;

function copyTo(map, svg) {
  const copy = svg.querySelector("g").cloneNode(true);
  for (const one of copy.querySelectorAll("text, .folder")) one.remove();
  for (const one of [copy, ...copy.querySelectorAll("[id], a")])
    for (const name of ["id", "href", "data-node", "data-look", "aria-label"]) one.removeAttribute(name);
  map.setAttribute("viewBox", svg.getAttribute("viewBox"));
  map.replaceChildren(copy, map.lastElementChild);
  isCharted = true;
}

// The map shows the whole graph, and the part of it in view.
function chart() {
  const [map, svg, frame] = [byId("map"), drawing(), canvas()];
  if (!map) return;
  map.toggleAttribute("hidden", !svg || (frame.scrollWidth <= frame.clientWidth && frame.scrollHeight <= frame.clientHeight));
  if (!svg || map.hasAttribute("hidden")) return;
  const { x, y, width, height } = svg.viewBox.baseVal;
  const points = (pixels) => (pixels * 3) / 4 / zoom;
  const [box, around] = [svg.getBoundingClientRect(), frame.getBoundingClientRect()];
  if (!isCharted) copyTo(map, svg);
  const view = map.lastElementChild;
  const left = Math.max(0, points(around.x + frame.clientLeft - box.x));
  const top = Math.max(0, points(around.y + frame.clientTop - box.y));
  const sides = {
    x: x + left,
    y: y + top,
    width: Math.min(width - left, points(frame.clientWidth)),
    height: Math.min(height - top, points(frame.clientHeight)),
  };
  for (const [name, value] of Object.entries(sides)) view.setAttribute(name, value);
}

function showPlace(event) {
  const map = event.target.closest?.("#map");
  if (!map || !(event.buttons & 1)) return;
  event.preventDefault();
  const [box, frame] = [map.getBoundingClientRect(), canvas()];
  frame.scrollTo(
    ((event.clientX - box.x) / box.width) * frame.scrollWidth - frame.clientWidth / 2,
    ((event.clientY - box.y) / box.height) * frame.scrollHeight - frame.clientHeight / 2,
  );
}

// A large graph is not smaller than can be read.
let hasBegun = false;

function begin() {
  if (!drawing()) return;
  hasBegun = true;
  zoomTo(Math.max(fitting(), readable()));
  center(canvas().querySelector("a[aria-current]") || canvas().querySelector("a:has(.current)"));
}

// A plain wheel scrolls the page; with Ctrl, it would zoom the whole page.
function wheel(event) {
  if (!event.target.closest?.("#canvas") || !event.deltaY || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  zoomTo(bounded(zoom * STEP ** (-event.deltaY / 100)), [event.clientX, event.clientY]);
}

// Drag with the mouse; a finger scrolls, and two fingers zoom.
let drag = null;

function press(event) {
  const frame = event.target.closest?.("#canvas");
  if (!frame || event.pointerType !== "mouse" || event.button) return;
  drag = { x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop, isMoved: false };
}

function move(event) {
  // Outside of the window, a button is released without an event.
  if (drag && !(event.buttons & 1)) {
    drag = null;
    release();
  }
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.isMoved && Math.hypot(dx, dy) < 4) return;
  if (!drag.isMoved) setFollow(false);
  drag.isMoved = true;
  canvas().classList.add("dragged");
  canvas().scrollTo(drag.left - dx, drag.top - dy);
}

function release() {
  canvas()?.classList.remove("dragged");
  if (!drag?.isMoved) drag = null;
}

// The click at the end of a drag opens nothing.
function swallow(event) {
  if (drag?.isMoved && event.target.closest?.("#canvas")) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  drag = null;
}

let pinch = null;

function apart([one, other]) {
  const middle = [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
  return [Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), middle];
}

function touch(event) {
  if (event.touches.length !== 2 || !event.target.closest?.("#canvas")) {
    pinch = null;
    return;
  }
  event.preventDefault();
  const [distance, middle] = apart(event.touches);
  pinch ||= { distance, zoom };
  zoomTo(bounded((pinch.zoom * distance) / pinch.distance), middle);
}

function center(link) {
  const frame = canvas();
  if (!link || !frame) return;
  if (!frame.contains(link)) {
    link.scrollIntoView({ block: "nearest" });
    return;
  }
  const [box, around] = [link.getBoundingClientRect(), frame.getBoundingClientRect()];
  frame.scrollLeft += box.x + box.width / 2 - around.x - frame.clientWidth / 2;
  frame.scrollTop += box.y + box.height / 2 - around.y - frame.clientHeight / 2;
}

// Search by name, also in folded branches, and in those that are rows of a table.
let at = 0;

function matches() {
  const wanted = byId("graph-search").value.trim().toLowerCase();
  const names = (one) => `${one.dataset.node}\n${one.dataset.names || ""}\n${one.querySelector(".node")?.textContent || ""}`;
  const links = [...byId("graph").querySelectorAll(":is(#canvas, .branches) a[data-node]")];
  return wanted ? links.filter((one) => names(one).toLowerCase().includes(wanted)) : [];
}

function search() {
  if (!canvas()) return;
  const found = matches();
  for (const one of byId("graph").querySelectorAll("a.found")) one.classList.remove("found");
  for (const one of found) one.classList.add("found");
  at = 0;
  const wanted = byId("graph-search").value.trim();
  byId("graph-found").textContent = wanted ? `${found.length} found` : "";
  if (found.length) center(found[0]);
}

function next(event) {
  if (event.key !== "Enter") return;
  event.preventDefault();
  const found = matches();
  if (!found.length) return;
  if (found.length === 1 && found[0].hasAttribute("data-look")) {
    look(found[0]).then(search);
    return;
  }
  if (found.length === 1) found[0].focus();
  at = (at + 1) % found.length;
  center(found[at]);
}

// Follow what runs: after each change, it is in the middle.
let follows = localStorage.getItem("follow") === "on";

function setFollow(isOn) {
  follows = isOn;
  localStorage.setItem("follow", isOn ? "on" : "off");
  byId("follow").setAttribute("aria-pressed", String(isOn));
  if (isOn) followNow();
}

function followNow() {
  const nodes = canvas()?.querySelectorAll("a[data-node]:has(.state-running), a[data-node]:has(.state-waiting)");
  if (nodes?.length) center(nodes[nodes.length - 1]);
}

// Another direction, or other folded branches: the address of the page has the look.
const LOOK = ["direction", "fold", "open", "out"];

export function withLook(address, from) {
  const [url, source] = [new URL(address, location.href), new URL(from, location.href)];
  for (const name of LOOK) {
    url.searchParams.delete(name);
    for (const value of source.searchParams.getAll(name)) url.searchParams.append(name, value);
  }
  return url.pathname + url.search;
}

// A branch that is unfolded or folded stays in view, in the same zoom.
async function look(link) {
  const href = link.getAttribute("href");
  const node = link.dataset.node || (link.closest("#canvas") && link.previousElementSibling.dataset.node);
  const address = withLook(byId("graph").dataset.part, href);
  const page = await ask(address, ["graph"], undefined, true).catch(() => null);
  if (!page?.getElementById("graph")) {
    location.assign(href);
    return;
  }
  const hadFocus = canvas()?.contains(document.activeElement);
  insert("graph", page);
  for (const one of document.querySelectorAll("[data-part]")) one.dataset.part = address;
  history.replaceState(history.state, "", withLook(location.href, href));
  const same = node && canvas()?.querySelector(`a[data-node="${CSS.escape(node)}"]`);
  if (!same) begin();
  else {
    center(same);
    if (hadFocus) same.focus({ preventScroll: true });
  }
  say("The graph is drawn.");
}

function open(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest?.("#graph [data-look]");
  if (!link) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  look(link);
}

function redrawn(event) {
  if (!event.target.matches?.("#graph")) return;
  isCharted = false;
  const svg = drawing();
  if (!hasBegun) begin();
  else if (svg && !svg.style.width) zoomTo(zoom);
  else chart();
  if (follows) followNow();
  if (byId("graph-search").value) search();
}

if (byId("graph-tools")) {
  byId("graph-tools").hidden = false;
  byId("zoom-in").addEventListener("click", () => zoomTo(bounded(zoom * STEP)));
  byId("zoom-out").addEventListener("click", () => zoomTo(bounded(zoom / STEP)));
  byId("zoom-fit").addEventListener("click", fit);
  byId("follow").addEventListener("click", () => setFollow(!follows));
  byId("graph-search").addEventListener("input", search);
  byId("graph-search").addEventListener("keydown", next);
  document.addEventListener("wheel", wheel, { passive: false });
  document.addEventListener("pointerdown", press);
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", release);
  document.addEventListener("click", swallow, true);
  document.addEventListener("dragstart", (event) => event.target.closest?.("#canvas") && event.preventDefault());
  for (const name of ["touchstart", "touchmove", "touchend"])
    document.addEventListener(name, touch, { passive: false });
  document.addEventListener("click", open, true);
  document.addEventListener("inserted", redrawn);
  document.addEventListener("scroll", (event) => event.target.id === "canvas" && chart(), true);
  window.addEventListener("resize", chart);
  document.addEventListener("pointerdown", showPlace);
  document.addEventListener("pointermove", showPlace);
  begin();
  setFollow(follows);
}

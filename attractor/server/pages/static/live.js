// Follows the events of a page's stream, and asks the server again for the fragments they change.
//
// <body> or another element: data-stream="ADDRESS OF EVENTS", data-from="number of the last event
// in the page", and for one run data-live="whether a process holds it". A fragment: id,
// data-part="ADDRESS", data-on="TYPE TYPE" (or "*"), and data-every="SECONDS" if it also changes
// without an event. All fragments of an address come in one
// answer to ADDRESS with the parameter fragment=ID,ID. A fragment of pieces has a token of its
// version (data-version): sent as known=TOKEN,TOKEN, it lets the answer have only what changed
// (data-update), or the first part of it (data-more), and the ids of pieces to remove (data-gone).
// A fragment that is not in the first answer (data-late) is asked for at once. A piece (data-piece) replaces the one with its
// id, or is added to the element data-into; data-piece="shell" surrounds pieces, and
// data-piece="mark" is the state of a node or edge.

const PAUSE = 300; // ms between two requests for the same fragments

class Loader {
  constructor(address) {
    this.address = address;
    this.ids = new Set();
    this.timer = 0;
    this.isLoading = false;
  }

  refresh(id, pause = PAUSE) {
    this.ids.add(id);
    if (!this.isLoading) this.timer ||= setTimeout(() => this.load(), pause);
  }

  async load() {
    this.timer = 0;
    this.isLoading = true;
    const ids = [...this.ids];
    let pause = PAUSE;
    this.ids.clear();
    for (const id of ids) asked.set(id, performance.now());
    try {
      const page = await ask(this.address, ids);
      // An answer that lacks some changes is followed by the next one at once.
      if (page?.querySelector("[data-more]")) pause = 0;
      // Meanwhile a person may have opened another stage.
      for (const id of page ? ids : [])
        if (document.getElementById(id)?.dataset.part === this.address) insert(id, page);
    } catch {
      for (const id of ids) this.ids.add(id); // the server is away: try again, after a while
      pause = 3 * PAUSE;
    } finally {
      this.isLoading = false;
      if (this.ids.size) this.timer ||= setTimeout(() => this.load(), pause);
    }
  }
}

const loaders = new Map();
const asked = new Map();
const shown = new Map();

// Return the fragments of an address as a document; null if the server refuses.
export async function ask(address, ids, signal, isWhole = false) {
  const url = new URL(address, location.href);
  url.searchParams.set("fragment", ids.join(","));
  const known = ids.map((id) => isWhole ? null : versionOf(document.getElementById(id))).filter(Boolean);
  if (known.length) url.searchParams.set("known", known.join(","));
  const open = [...document.querySelectorAll("details[data-lazy][open]")].map((one) => one.id);
  if (known.length && open.length) url.searchParams.set("unfolded", open.join(","));
  const answer = await fetch(url, { headers: { accept: "text/html" }, signal });
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // The version of a fragment without pieces is that of the whole.
  for (const token of (answer.headers.get("x-fragment-versions") || "").split(",").filter(Boolean))
    page.getElementById(token.slice(0, token.lastIndexOf("-")))?.setAttribute("data-whole", token);
  return page;
}

export function refresh(element, pause) {
  const address = element.dataset.part;
  if (!loaders.has(address)) loaders.set(address, new Loader(address));
  loaders.get(address).refresh(element.id, pause);
}

// `isAsked`: a person asked for it, so that nothing keeps the old fragment.
export function insert(id, page, isAsked = false) {
  const old = document.getElementById(id);
  const fresh = page.getElementById(id);
  if (!old || !fresh) return;
  if (fresh.hasAttribute("data-update")) {
    update(old, fresh);
    return;
  }
  if (shown.get(id) === fresh.outerHTML) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (!isAsked && isBusy(old, focused)) return;
  shown.set(id, fresh.outerHTML);
  document.adoptNode(fresh);
  keepOpen(old, fresh);
  const scrolled = [...old.querySelectorAll("[data-scroll]")].map((one) => [
    one.id,
    one.scrollLeft,
    one.scrollTop,
  ]);
  old.replaceWith(fresh);
  for (const [name, left, top] of scrolled) document.getElementById(name)?.scrollTo(left, top);
  if (focused) refocus(focused, fresh);
  show();
  fresh.dispatchEvent(new CustomEvent("inserted", { bubbles: true, detail: { isAsked } }));
  if (fresh.dataset.say && fresh.dataset.say !== old.dataset.say) say(fresh.dataset.say);
}

// Nobody loses a text.
function isBusy(element, focused) {
  if (element.querySelector("form[data-sent]")) return true; // on its way
  const fields = [...element.querySelectorAll("textarea, input:not([type=hidden], [type=checkbox])")];
  return fields.some((one) => one.value !== one.defaultValue) || focused?.matches("input:not([type=checkbox]), textarea, select");
}

function versionOf(element) {
  return element?.dataset.whole || element?.querySelector(":scope > [data-version]")?.dataset.version;
}

// Put the changed pieces of a fragment into the page.
function update(old, fresh) {
  let isSkipped = false;
  const scrolled = [...old.querySelectorAll("[data-scroll]")].map((one) => [one, one.scrollLeft, one.scrollTop]);
  for (const piece of fresh.querySelectorAll("[data-piece]")) {
    if (!fresh.contains(piece)) continue; // inside a shell that is new
    const same = document.getElementById(piece.id);
    const kind = piece.dataset.piece;
    if (!same) add(piece);
    else if (kind === "mark") mark(same, piece);
    else if (kind !== "shell") isSkipped = !exchange(same, piece) || isSkipped;
  }
  const gone = fresh.querySelector(":scope > [data-version]").dataset.gone || "";
  for (const id of gone.split(" ").filter(Boolean)) document.getElementById(id)?.remove();
  if (fresh.dataset.say && fresh.dataset.say !== old.dataset.say) say(fresh.dataset.say);
  for (const one of fresh.attributes) if (one.name !== "data-update") old.setAttribute(one.name, one.value);
  // With the old version, the server sends skipped pieces again.
  if (!isSkipped) old.querySelector(":scope > [data-version]").dataset.version = versionOf(fresh);
  for (const [one, left, top] of scrolled) one.scrollTo(left, top);
  show();
  old.dispatchEvent(new CustomEvent("inserted", { bubbles: true }));
  if (fresh.querySelector(":scope > [data-more]")) refresh(old);
}

function add(piece) {
  const into = document.getElementById(piece.dataset.into || piece.parentElement.id);
  if ("first" in piece.dataset) into?.prepend(document.adoptNode(piece));
  else into?.append(document.adoptNode(piece));
}

function exchange(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (isBusy(old, focused)) return false;
  document.adoptNode(fresh);
  keepOpen(old, fresh);
  old.replaceWith(fresh);
  if (focused) refocus(focused, fresh);
  return true;
}

function mark(old, fresh) {
  old.setAttribute("class", fresh.getAttribute("class"));
  old.querySelector(":scope > .sign")?.remove();
  old.append(...[...fresh.childNodes].map((one) => document.adoptNode(one)));
  if (fresh.dataset.label) old.closest("a")?.setAttribute("aria-label", fresh.dataset.label);
  const count = old.querySelector("[data-lane]");
  if (count && fresh.dataset.text) count.textContent = fresh.dataset.text;
}

function keepOpen(old, fresh) {
  for (const one of old.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (same) same.open = one.open;
  }
  for (const one of old.querySelectorAll("input[type=checkbox][id]")) {
    const same = fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (same) same.checked = one.checked;
  }
}

function refocus(focused, fresh) {
  const href = focused.getAttribute("href");
  const same = focused.id
    ? document.getElementById(focused.id)
    : href && [...fresh.querySelectorAll("a")].find((one) => one.getAttribute("href") === href);
  if (!same && fresh.tabIndex < 0) fresh.tabIndex = -1;
  (same || fresh).focus({ preventScroll: true });
}

export function say(text) {
  const region = document.getElementById("announcement");
  if (region.textContent !== text) region.textContent = text;
}

export function follow() {
  const page = document.querySelector("[data-stream]");
  if (!page) return;
  const fragments = () => [...document.querySelectorAll("[data-part]")];
  setInterval(() => {
    for (const one of fragments()) if (isDue(one)) refresh(one, 0);
  }, 100);
  for (const one of document.querySelectorAll("[data-late]")) refresh(one, 0);
  let last = Number(page.dataset.from || 0);
  let source = null;
  const take = (event) => {
    const number = Number(event.lastEventId || 0);
    if (number && number <= last) return;
    last = number || last;
    for (const one of fragments()) if (changes(one, event.type)) refresh(one);
  };
  const types = new Set((page.dataset.types || "").split(" ").filter(Boolean));
  const connect = () => {
    const address = new URL(page.dataset.stream, location.href);
    if (last) address.searchParams.set("after", last);
    source = new EventSource(address);
    for (const type of types) source.addEventListener(type, take);
    source.addEventListener("message", take);
    source.addEventListener("process", (event) => {
      const isLive = String(JSON.parse(event.data).live);
      if (isLive === page.dataset.live) return;
      page.dataset.live = isLive;
      fragments().forEach((one) => refresh(one));
    });
    source.addEventListener("end", () => {
      source.close();
      fragments().forEach((one) => refresh(one));
      show("ended");
    });
    source.addEventListener("open", () => {
      show("live");
      // A page without a number may have missed events before its stream began.
      if (!page.dataset.from) fragments().forEach((one) => refresh(one));
    });
    // After an answer that is no stream, a browser does not connect again.
    source.addEventListener("error", () => show(source.readyState === EventSource.CLOSED ? "lost" : "reconnecting"));
  };
  // A browser opens six connections to a server: a page in the background leaves them to others.
  document.addEventListener("visibilitychange", () => {
    if (connection === "ended") return;
    source?.close();
    if (!document.hidden) connect();
  });
  if (!document.hidden) connect();
}

function changes(element, type) {
  const types = element.dataset.on.split(" ");
  return types.includes("*") || types.includes(type);
}

function isDue(element) {
  const every = Number(element.dataset.every || 0);
  if (every && !asked.has(element.id)) asked.set(element.id, performance.now());
  return every && performance.now() - asked.get(element.id) > 1000 * every;
}

let connection = "";

function show(state = connection) {
  connection = state;
  for (const one of document.querySelectorAll("[data-connection]")) one.dataset.connection = state;
}

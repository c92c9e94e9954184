// Follows the events of a page's stream, and asks the server again for the fragments they change.
//
// <body> or another element: data-stream="ADDRESS OF EVENTS", data-from="number of the last event
// in the page". A fragment: id, data-part="ADDRESS" and data-on="TYPE TYPE" (or "*").

const PAUSE = 300; // ms between two requests for the same fragment

class Fragment {
  constructor(element) {
    this.id = element.id;
    this.address = element.dataset.part;
    this.types = new Set(element.dataset.on.split(" "));
    this.timer = 0;
    this.isLoading = false;
    this.isStale = false;
  }

  changesWith(type) {
    return this.types.has("*") || this.types.has(type);
  }

  refresh() {
    if (this.isLoading) this.isStale = true;
    else this.timer ||= setTimeout(() => this.load(), PAUSE);
  }

  async load() {
    this.timer = 0;
    this.isLoading = true;
    this.isStale = false;
    try {
      const answer = await fetch(this.address, { headers: { accept: "text/html" } });
      if (answer.ok) replace(this.id, await answer.text());
    } catch {
      this.isStale = true; // the server is away: try again
    } finally {
      this.isLoading = false;
      if (this.isStale) this.timer ||= setTimeout(() => this.load(), 3 * PAUSE);
    }
  }
}

function replace(id, text) {
  const old = document.getElementById(id);
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const fresh = document.adoptNode(parsed.getElementById(id));
  if (!old || !fresh || old.dataset.shown === text) return;
  fresh.dataset.shown = text.length < 100000 ? text : "";
  keepOpen(old, fresh);
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const isTyping = focused?.matches("input, textarea, select");
  if (isTyping) return; // the next event brings it; nobody loses a text
  const scrolled = [...old.querySelectorAll("[data-scroll]")].map((one) => [one.id, one.scrollLeft, one.scrollTop]);
  old.replaceWith(fresh);
  for (const [name, left, top] of scrolled) document.getElementById(name)?.scrollTo(left, top);
  if (focused) refocus(focused, fresh);
  fresh.dispatchEvent(new CustomEvent("inserted", { bubbles: true }));
  const said = fresh.querySelector("[data-say]")?.dataset.say;
  if (said) say(said);
}

function keepOpen(old, fresh) {
  for (const one of old.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (same) same.open = one.open;
  }
}

function refocus(focused, fresh) {
  const href = focused.getAttribute("href");
  const same = focused.id
    ? document.getElementById(focused.id)
    : href && fresh.querySelector(`[href="${CSS.escape(href)}"]`);
  (same || fresh).focus({ preventScroll: true });
}

export function say(text) {
  const region = document.getElementById("announcement");
  if (region.textContent !== text) region.textContent = text;
}

export function follow() {
  const page = document.querySelector("[data-stream]");
  if (!page) return;
  const fragments = () =>
    [...document.querySelectorAll("[data-part]")].map((one) => (known[one.id] ||= new Fragment(one)));
  const known = {};
  let last = Number(page.dataset.from || 0);
  const source = new EventSource(page.dataset.stream);
  const take = (event) => {
    const number = Number(event.lastEventId || 0);
    if (number && number <= last) return;
    last = number || last;
    for (const one of fragments()) if (one.changesWith(event.type)) one.refresh();
    document.dispatchEvent(new CustomEvent("attractor", { detail: event }));
  };
  const types = new Set((page.dataset.types || "").split(" ").filter(Boolean));
  for (const type of types) source.addEventListener(type, take);
  source.addEventListener("message", take);
  source.addEventListener("end", (event) => {
    source.close();
    for (const one of fragments()) one.refresh();
    show("ended");
  });
  source.addEventListener("open", () => show("live"));
  source.addEventListener("error", () => show("reconnecting"));
}

function show(state) {
  for (const one of document.querySelectorAll("[data-connection]")) one.dataset.connection = state;
}

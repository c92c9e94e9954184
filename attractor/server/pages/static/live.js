// Follows the events of a page's stream, and asks the server again for the fragments they change.
//
// <body> or another element: data-stream="ADDRESS OF EVENTS", data-from="number of the last event
// in the page". A fragment: id, data-part="ADDRESS" and data-on="TYPE TYPE" (or "*").

const PAUSE = 300; // ms between two requests for the same fragment

class Fragment {
  constructor(id) {
    this.id = id;
    this.timer = 0;
    this.isLoading = false;
    this.isStale = false;
    this.loaded = performance.now();
  }

  get element() {
    return document.getElementById(this.id);
  }

  changesWith(type) {
    const types = this.element.dataset.on.split(" ");
    return types.includes("*") || types.includes(type);
  }

  // Some contents change without an event: data-every="SECONDS".
  isDue(now) {
    const every = Number(this.element.dataset.every || 0);
    return every && now - this.loaded > 1000 * every;
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
      const address = this.element?.dataset.part;
      const answer = address && (await fetch(address, { headers: { accept: "text/html" } }));
      // Meanwhile a person may have opened another stage.
      if (answer?.ok && this.element?.dataset.part === address) insert(this.id, await answer.text());
    } catch {
      this.isStale = true; // the server is away: try again
    } finally {
      this.isLoading = false;
      this.loaded = performance.now();
      if (this.isStale) this.timer ||= setTimeout(() => this.load(), 3 * PAUSE);
    }
  }
}

const shown = new Map();

export function insert(id, text) {
  const old = document.getElementById(id);
  if (!old || shown.get(id) === text) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const hasText = [...old.querySelectorAll("textarea, input:not([type=hidden])")].some((one) => one.value);
  if (hasText || focused?.matches("input, textarea, select")) return; // nobody loses a text
  const parsed = new DOMParser().parseFromString(text, "text/html");
  const fresh = document.adoptNode(parsed.getElementById(id));
  if (!fresh) return;
  shown.set(id, text);
  keepOpen(old, fresh);
  const scrolled = [...old.querySelectorAll("[data-scroll]")].map((one) => [one.id, one.scrollLeft, one.scrollTop]);
  old.replaceWith(fresh);
  for (const [name, left, top] of scrolled) document.getElementById(name)?.scrollTo(left, top);
  if (focused) refocus(focused, fresh);
  fresh.dispatchEvent(new CustomEvent("inserted", { bubbles: true }));
  if (fresh.dataset.say && fresh.dataset.say !== old.dataset.say) say(fresh.dataset.say);
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
  const known = {};
  const fragments = () =>
    [...document.querySelectorAll("[data-part]")].map((one) => (known[one.id] ||= new Fragment(one.id)));
  setInterval(() => {
    const now = performance.now();
    for (const one of fragments()) if (one.isDue(now)) one.refresh();
  }, 500);
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

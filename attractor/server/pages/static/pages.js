// Works on every page: relative times, keys, dialogs, and fragments that follow events.

import { follow } from "./live.js";

const STEPS = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86400, 3600, "hour"],
  [Infinity, 86400, "day"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });

export function showTimes(root = document) {
  for (const one of root.querySelectorAll("time[datetime]")) {
    if (one.hasAttribute("data-absolute")) continue;
    if (one.hasAttribute("data-elapsed")) {
      tick(one);
      continue;
    }
    one.title ||= one.textContent.trim();
    const seconds = (Date.now() - Date.parse(one.dateTime)) / 1000;
    const [, size, unit] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
    const text = Math.abs(seconds) < 2 ? "now" : relative.format(-Math.round(seconds / size), unit);
    if (one.textContent !== text) one.textContent = text;
  }
}

// The time since a moment, as the server writes durations.
function tick(one) {
  let rest = Math.max(0, Math.round((Date.now() - Date.parse(one.dateTime)) / 1000));
  const parts = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    const number = Math.floor(rest / length);
    rest %= length;
    if (number || parts.length || unit === "s") parts.push(number + unit);
  }
  const text = parts.slice(0, 2).filter((part, at) => !at || !part.startsWith("0")).join(" ");
  if (one.textContent !== text) one.textContent = text;
}

function isTyping(target) {
  return target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
}

const PATIENCE = 10_000; // ms in which a slow phone gets an answer
const READING = 1000; // ms in which a person can have read a new question
const asked = new Map();
let chosen = ""; // the row of Attention that is shown, since a moment
let chosenAt = 0;

function noteQuestions() {
  const now = document.querySelector("[data-chosen]")?.dataset.chosen || "";
  if (now !== chosen) chosenAt = performance.now();
  chosen = now;
  const cards = [...document.querySelectorAll(".question")];
  for (const id of asked.keys()) if (!cards.some((one) => one.id === id)) asked.delete(id);
  for (const one of cards) if (!asked.has(one.id)) asked.set(one.id, performance.now());
}

// The question that a letter answers: the one with the focus, or the only one of a run's own page.
function questionOf(target) {
  const focused = target.closest(".question");
  const only = document.querySelectorAll("#question .question");
  const card = focused || (only.length === 1 ? only[0] : null);
  return card && performance.now() - asked.get(card.id) > READING ? card : null;
}

// The choices of a question win over the other keys of a page.
function pressed(wanted, target) {
  const found = [...document.querySelectorAll("[data-key]")].filter(
    (one) => one.dataset.key.toLowerCase() === wanted && one.getClientRects().length,
  );
  const card = questionOf(target);
  const choice = found.find((one) => card?.contains(one));
  const isUnclear = !choice && found.some((one) => one.closest("#question"));
  return choice || (isUnclear ? null : found.find((one) => !one.closest(".question")));
}

function press(event) {
  if (event.key === "Escape") closeMenus(null);
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (!usesKeys.checked || event.repeat) return;
  const found = pressed(event.key.toLowerCase(), event.target);
  const open = document.querySelector("dialog[open]");
  if (!found || (open && found.dataset.opens !== open.id)) return;
  event.preventDefault();
  // No key settles a row that nobody can have read.
  if (found.matches("[data-chosen] form button") && performance.now() - chosenAt < READING) return;
  if (found.matches("input, textarea, select")) found.focus();
  else found.click();
  if (found.matches("details[open] > summary"))
    found.parentElement.querySelector("input:not([type=hidden]), textarea, select")?.focus();
}

// Speech input types letters where no key was meant, so that a person can turn the keys off.
const usesKeys = document.getElementById("use-keys");
usesKeys.checked = localStorage.getItem("keys") !== "off";
usesKeys.addEventListener("change", () => localStorage.setItem("keys", usesKeys.checked ? "on" : "off"));

function closeMenus(inside) {
  for (const one of document.querySelectorAll("details.menu[open]")) {
    if (one.contains(inside)) continue;
    const hadFocus = one.contains(document.activeElement);
    one.open = false;
    if (hadFocus) one.querySelector("summary").focus();
  }
}

function toggle(event) {
  const button = event.target.closest("[data-opens]");
  if (!button) return;
  const dialog = document.getElementById(button.dataset.opens);
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

// A form is sent once, however often its button is pressed, and only to a server that answers: a
// browser would replace the page, and what was typed, by its own page about a lost connection.
async function sendOnce(event) {
  const { target: form, submitter } = event;
  if (form.method !== "post" || event.defaultPrevented || form.dataset.sent === "asked") return;
  event.preventDefault();
  if (form.dataset.sent) return;
  form.dataset.sent = "asks";
  form.querySelector(":scope > .unsent")?.remove();
  if (await answers()) {
    form.dataset.sent = "asked";
    form.requestSubmit(submitter);
    form.dataset.sent = "sent";
  } else {
    delete form.dataset.sent;
    const text = "Not sent: the server does not answer. Your text is kept; try again in a moment.";
    form.append(Object.assign(document.createElement("p"), { className: "fault unsent", role: "alert", textContent: text }));
  }
}

// A refusal is an answer too, unless the server stops, or a proxy has lost it.
async function answers() {
  try {
    const { status } = await fetch("/api/v1/version", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return status < 502 || status > 504;
  } catch {
    return false;
  }
}

// The title counts what waits for a person, for people who look at other tabs.
function countInTitle() {
  const counts = [...document.querySelectorAll("[data-count]")].map((one) => Number(one.dataset.count));
  const waiting = counts.reduce((sum, one) => sum + one, 0);
  if (counts.length) document.title = document.title.replace(/^(\(\d+\) )?/, waiting ? `(${waiting}) ` : "");
}

// The title and the icon begin with the status of the run, which changes while the page is open.
let titled = document.querySelector("[data-title]")?.dataset.title;
function followStatus({ target }) {
  const { title, icon } = target.dataset;
  if (!title || title === titled) return;
  document.title = document.title.replace(titled, () => title);
  document.querySelector("link[rel=icon]").href = icon;
  titled = title;
}

for (const one of document.querySelectorAll(".keys-button")) one.hidden = false;
document.addEventListener("keydown", press);
document.addEventListener("click", toggle);
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("submit", sendOnce);
addEventListener("pageshow", () => {
  for (const one of document.querySelectorAll("form[data-sent]")) delete one.dataset.sent;
});
document.addEventListener("inserted", (event) => showTimes(event.target));
document.addEventListener("inserted", noteQuestions);
document.addEventListener("inserted", countInTitle);
document.addEventListener("inserted", followStatus);
showTimes();
noteQuestions();
setInterval(showTimes, 1000);
follow();

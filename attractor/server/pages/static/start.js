// The form that starts a run: another pipeline shows its goal, inputs and suites, and what was typed stays.

import { say } from "./live.js";

const file = document.getElementById("file");
let asking = new AbortController();

async function show() {
  // A late answer must not replace the fields of a later choice.
  asking.abort();
  const own = (asking = new AbortController());
  const sent = new URLSearchParams(new FormData(file.form));
  sent.set("show", "yes");
  const request = { method: "POST", body: sent, headers: { accept: "text/html" }, signal: own.signal };
  // Without an answer, the button shows the fields of the pipeline before it starts a run.
  const answer = await fetch(file.form.action, request).catch(() => null);
  if (own.signal.aborted || !answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("chosen");
  if (own.signal.aborted || !fresh) return;
  const typed = new FormData(file.form);
  const focused = document.activeElement.id;
  document.getElementById("chosen").replaceWith(document.adoptNode(fresh));
  // Nobody loses a text that was typed meanwhile, or the place in the form.
  for (const [name, value] of typed)
    if (value !== sent.get(name) && file.form.elements[name]) file.form.elements[name].value = value;
  if (focused) document.getElementById(focused)?.focus();
  say(`The form has the inputs of ${file.value}.`);
}

file?.addEventListener("change", show);

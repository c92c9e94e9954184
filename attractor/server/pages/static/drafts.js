// Shows the next draft in place, so that the token stays in its field: the server never sends it back.

const form = document.querySelector("form.drafts");

async function send(event) {
  event.preventDefault();
  if (form.dataset.sent) return;
  form.dataset.sent = "asks";
  try {
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("drafts");
    // An answer about the token, or of another page, is shown as it is.
    if (!next || page.getElementById("drafts-token-fault")) throw new Error("another page");
    document.getElementById("drafts").replaceWith(next);
    form.querySelector(":scope > .actions")?.remove();
    form.folder.readOnly = page.getElementById("folder").readOnly;
    document.getElementById("draft-title")?.focus();
    document.getElementById("announcement").textContent = next.querySelector(".notice p")?.textContent ?? "";
    scrollTo({ top: 0 });
  } catch {
    form.removeEventListener("submit", send);
    delete form.dataset.sent;
    form.requestSubmit(event.submitter);
    return;
  }
  delete form.dataset.sent;
}

form?.addEventListener("submit", send);

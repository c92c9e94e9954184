"""Drafted desires of the running app: list, accept and dismiss them."""

import shlex

from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.draft_store import DraftStore
from attractor.growth.plans.drafts import Choice


def list_drafts(control_plane: ControlPlane) -> dict[str, Json]:
    """Return the drafts that wait for a person, with their evidence."""
    now = control_plane.project.machine.clock.now()
    drafts = DraftStore(control_plane.folder).open(now)
    return {"drafts": [write_fields(draft) for draft in drafts]}


def accept_draft(control_plane: ControlPlane, draft_id: str, *, by: str) -> dict[str, Json]:
    """Make a desire of a draft, in a file; `next` is the command that plans it."""
    return _answer(control_plane, draft_id, Choice.ACCEPTED, by)


def dismiss_draft(
    control_plane: ControlPlane, draft_id: str, *, by: str, reason: str = ""
) -> dict[str, Json]:
    """Keep a draft as dismissed, with the reason."""
    return _answer(control_plane, draft_id, Choice.DISMISSED, by, reason)


def _answer(
    control_plane: ControlPlane, draft_id: str, choice: Choice, by: str, reason: str = ""
) -> dict[str, Json]:
    now, store = control_plane.project.machine.clock.now(), DraftStore(control_plane.folder)
    answered = store.answer(draft_id, choice, by=by, now=now, reason=reason)
    file = store.desire_file(draft_id)
    if file.is_relative_to(control_plane.repository):
        file = file.relative_to(control_plane.repository)
    is_accepted = choice is Choice.ACCEPTED
    return {
        **write_fields(answered),
        "desire": str(file) if is_accepted else "",
        "next": f"attractor grow plan --desires {shlex.quote(str(file))}" if is_accepted else "",
    }

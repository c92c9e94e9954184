"""Settles rows of what needs a person: the one place for commands, pages and HTTP."""

from collections.abc import Callable, Mapping

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.factory.open_project import OpenProject
from attractor.worlds.attention import in_project
from attractor.worlds.messages import Sender
from attractor.worlds.orders import go_on, leave, leave_held, let_begin, mark_seen, send, start_over
from attractor.worlds.rows import AttentionRow, Need, choices_of


@dataclass(frozen=True)
class Settler:
    """A person who settles rows of one project.

    `cancel` cancels a run with a reason. `answer` answers a question of a run, and returns what
    happens next.
    """

    by: Sender
    opened: OpenProject
    cancel: Callable[[str, str], object]
    answer: Callable[[str, str, str], str]


def settle(row: AttentionRow, choice: str, fields: Mapping[str, str], at: Settler) -> str:
    """Do what a person chose, and return what happened in words."""
    _require_complete(row, choice, fields)
    match row.need:
        case Need.QUESTION:
            return at.answer(row.run_id, row.questions[0].id, fields["answer"])
        case Need.INTERRUPTED | Need.BLOCKED:
            return _settle_interrupted(row, choice, at)
        case Need.HELD:
            return _settle_held(row, choice, at)
        case Need.DRAFT:
            return _settle_draft(row, choice, fields.get("reason", ""), at)
        case Need.APP:
            return _start_app(at)
        case _:
            return _settle_answered(row, fields.get("text", "") if choice == "send" else "", at)


def _require_complete(row: AttentionRow, choice: str, fields: Mapping[str, str]) -> None:
    offered = {one.key: one for one in choices_of(row)}
    if choice not in offered:
        known = ", ".join(offered) or f"none: {row.command}"
        raise UsageError(f"{row.name} has no choice {choice!r}", hint=f"choices: {known}")
    for one in offered[choice].fields:
        if one.is_required and not fields.get(one.name, "").strip():
            raise UsageError(f"missing {one.name}", hint=one.label)


def _settle_answered(row: AttentionRow, text: str, at: Settler) -> str:
    words = "seen"
    if text and row.actor:
        words = f"taken: message {send(row.actor.folder, text, at.by, at.opened).id}"
    # Newer answers stay, which no one has seen.
    for one in row.rows or [row]:
        if one.actor:
            mark_seen(one.actor.folder, one.message, at.by, at.opened)
    return words


def _settle_interrupted(row: AttentionRow, choice: str, at: Settler) -> str:
    assert row.actor
    folder = row.actor.folder

    def cancel(run_id: str) -> None:
        at.cancel(run_id, choice)

    if choice == "go on":
        go_on(folder, at.by, at.opened)
        return f"{folder.name} {'tries again' if row.need is Need.BLOCKED else 'goes on'}"
    if choice == "start over":
        start_over(folder, at.by, at.opened, cancel)
        return f"{folder.name} starts over, in a new conversation"
    leave(folder, at.by, at.opened, cancel)
    return f"{folder.name} leaves it"


def _settle_held(row: AttentionRow, choice: str, at: Settler) -> str:
    assert row.hold
    if choice == "go on":
        let_begin(row.hold, row.held, at.opened)
        return "one begins"
    leave_held(row.hold, row.held, at.by, at.opened)
    return "answered as not begun"


def _settle_draft(row: AttentionRow, choice: str, reason: str, at: Settler) -> str:
    # Imported here, because only projects with an app need it.
    from attractor.growth.api.drafts import accept_draft, dismiss_draft
    from attractor.growth.control_plane import ControlPlane

    plane = ControlPlane(at.opened.project)
    if choice == "accept":
        if reason:
            hint = "dismiss the draft with the reason, or accept it without one"
            raise UsageError("an accepted draft keeps no reason", hint=hint)
        planned = accept_draft(plane, row.name, by=at.by.name)["next"]
        return f"it is a desire now; next: {in_project(row.project)}{planned}"
    dismiss_draft(plane, row.name, by=at.by.name, reason=reason)
    return f"dismissed {row.name}"


def _start_app(at: Settler) -> str:
    # Imported here, because only projects with an app need it.
    from attractor.growth.deployment.start import start_by_order

    return f"the app answers at {start_by_order(at.opened.project)}"

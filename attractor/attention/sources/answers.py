"""Answers of actors that no person has seen: failures, work to review, and the others."""

from collections.abc import Iterator, Mapping
from functools import partial

from attractor.attention.evidence import Evidence, changes_of_actor, failure_of
from attractor.attention.rows import Act, AttentionRow, Choice, Field, RowGone, Settler
from attractor.attention.source import Look, Source
from attractor.base.locks import FileLock
from attractor.factory.open_project import OpenProject
from attractor.records.diagnosis.needs import row_of_answer
from attractor.worlds.actors import Answered
from attractor.worlds.status import ActorStatus, ActorView, read_actor

_PATIENCE_S = 10.0
_TASK = Field("text", "Next task", is_required=True, is_long=True)
CHOICES = [
    Choice("seen", "mark as reviewed", "s"),
    Choice("send", "send the next task", "", [_TASK], is_free=True),
]


def _rows(look: Look) -> Iterator[AttentionRow]:
    for view in look.views:
        if last := view.unseen:
            is_idle = view.status is ActorStatus.IDLE
            yield AttentionRow(
                id=row_of_answer(last.message.id),
                need="answered" if is_idle else view.status.value,
                project=look.project,
                name=view.name,
                reason=last.reason or last.words,
                since=last.at,
                usage=view.usage,
                command=f"attractor actor seen {view.name}",
                run_id=last.run_id,
                message=last.message.id,
                has_failed=view.status is ActorStatus.FAILED,
                actor=view,
                choices=CHOICES,
                act=_act(view, last.message.id),
                look=partial(_look, view, last),
            )


def _look(view: ActorView, last: Answered, opened: OpenProject) -> Evidence:
    root = opened.project.runs_dir / last.run_id
    return Evidence(
        last.message.text,
        {"result": last.result},
        said=last.words,
        outputs=failure_of(root) if last.run_id and not last.succeeded else (),
        changes=changes_of_actor(view, last.run_id, opened),
    )


def _act(view: ActorView, message: str) -> Act:
    folder = view.folder

    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because a list settles nothing.
        from attractor.worlds.orders import mark_seen, send

        words = "seen"
        with FileLock(folder.root / "seen.lock").acquire(wait=_PATIENCE_S):
            last = read_actor(folder).unseen
            # Another person may be first; a newer answer stays, which no one has seen.
            if last is None or last.message.id != message:
                raise RowGone
            if choice == "send":
                words = f"taken: message {send(folder, fields['text'], at.by, at.opened).id}"
            mark_seen(folder, message, at.by, at.opened)
        return words

    return act


part = Source(_rows)

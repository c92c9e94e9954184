"""Tasks of actors whose process died, or that something of the machine blocks."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from attractor.attention.evidence import Evidence, changes_of_actor
from attractor.attention.rows import Act, AttentionRow, Choice, RowGone, Settler
from attractor.attention.source import Look, Source
from attractor.factory.open_project import OpenProject
from attractor.records.diagnosis.needs import row_id
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.status import ActorStatus, ActorView


def _rows(look: Look) -> Iterator[AttentionRow]:
    for view in look.views:
        if view.task and view.status in (ActorStatus.INTERRUPTED, ActorStatus.BLOCKED):
            yield row_of_task(view, view.task)


def row_of_task(view: ActorView, task: TaskAtWork) -> AttentionRow:
    """Return the row of a task that does not go on by itself."""
    return AttentionRow(
        id=row_id(view.status, task.run_id, task.obstacle or f"{view.since}"),
        need=view.status.value,
        project=view.folder.project,
        name=view.name,
        reason=task.obstacle or f"its process died while it worked on: {task.message.text}",
        since=view.since,
        usage=view.usage,
        command="attractor attention next",
        run_id=task.run_id,
        actor=view,
        choices=choices_of(view.status),
        act=_act(view, task),
        look=partial(_look, view, task),
    )


def choices_of(status: ActorStatus) -> Sequence[Choice]:
    """Return what a person can do about an interrupted or a blocked task."""
    again = "try again" if status is ActorStatus.BLOCKED else "go on"
    return [
        Choice("go on", again, "g"),
        Choice("start over", "start over", "b"),
        Choice("leave", "leave", "l"),
    ]


def _look(view: ActorView, task: TaskAtWork, opened: OpenProject) -> Evidence:
    changes = changes_of_actor(view, task.run_id if view.run else "", opened)
    return Evidence(task.message.text, changes=changes)


def _act(view: ActorView, task: TaskAtWork) -> Act:
    folder = view.folder

    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because a list settles nothing.
        from attractor.worlds.orders import go_on, leave, start_over

        def cancel(run_id: str) -> None:
            at.cancel(run_id, choice)

        now = folder.read_task()
        if now is None or now.run_id != task.run_id:
            raise RowGone
        if choice == "go on":
            go_on(folder, at.by, at.opened)
            blocked = view.status is ActorStatus.BLOCKED
            return f"{folder.name} {'tries again' if blocked else 'goes on'}"
        if choice == "start over":
            start_over(folder, at.by, at.opened, cancel)
            return f"{folder.name} starts over, in a new conversation"
        leave(folder, at.by, at.opened, cancel)
        return f"{folder.name} leaves it"

    return act


part = Source(_rows)

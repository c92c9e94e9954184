"""Messages of actors that wait, because several runs stopped for one cause."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from attractor.attention.rows import Act, AttentionRow, Choice, Settler
from attractor.attention.source import Look, Source
from attractor.base.amounts import number_of
from attractor.worlds.holds import Hold, read_holds
from attractor.worlds.status import ActorView


def _rows(look: Look) -> Iterator[AttentionRow]:
    has_failed = any(not one.succeeded for view in look.views for one in view.history.answers)
    if not (has_failed and look.project.root.is_dir()):
        return
    holds = read_holds(look.project, look.open())
    held: defaultdict[str, list[tuple[ActorView, Hold]]] = defaultdict(list)
    for view in look.views:
        hold = holds.of(view.name) if view.can_begin else None
        if hold and not hold.tried:
            held[hold.id].append((view, hold))
    for id_, found in held.items():
        waiting = sorted((view for view, _ in found), key=lambda view: view.waits_since)
        hold = found[0][1]
        last = hold.runs[-1]
        messages = sum(len(view.waiting) for view in waiting)
        yield AttentionRow(
            id=f"held:{look.project.project_id}:{id_}:{last.run_id}",
            need="held",
            project=look.project,
            name=last.pipeline,
            reason=f"{hold.words}; {number_of(messages, 'message')} not begun",
            since=last.ended,
            command="attractor attention next",
            run_id=last.run_id,
            choices=[Choice("go on", "go on", "g"), Choice("leave", "leave", "l")],
            act=_act(hold, waiting),
        )


def _act(hold: Hold, held: Sequence[ActorView]) -> Act:
    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because a list settles nothing.
        from attractor.worlds.orders import leave_held, let_begin

        if choice == "go on":
            let_begin(hold, held, at.opened)
            return "one begins"
        leave_held(hold, held, at.by, at.opened)
        return "answered as not begun"

    return act


part = Source(_rows)

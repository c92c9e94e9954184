"""Agents that were stopped by a rule about other agents: a storm, a long chain, a spent budget."""

from collections.abc import Iterator, Mapping

from attractor.attention.rows import Act, AttentionRow, Choice, RowGone, Settler
from attractor.attention.source import Look, Source
from attractor.records.diagnosis.needs import row_id
from attractor.worlds.actors import LeadStopped
from attractor.worlds.status import ActorView


def _rows(look: Look) -> Iterator[AttentionRow]:
    for view in look.views:
        for stopped in () if view.history.archived else view.history.stopped_by.values():
            yield AttentionRow(
                id=row_id(
                    "leads",
                    view.folder.project.project_id,
                    view.name,
                    stopped.rule,
                    f"{stopped.at}",
                ),
                need="leads",
                project=view.folder.project,
                name=view.name,
                reason=stopped.words,
                since=stopped.at,
                usage=view.usage,
                command=f"attractor actor change {view.name} --leads RIGHTS",
                actor=view,
                choices=[Choice("seen", "seen", "s")],
                act=_act(view, stopped),
            )


def _act(view: ActorView, stopped: LeadStopped) -> Act:
    def act(choice: str, fields: Mapping[str, str], at: Settler) -> str:
        # Imported here, because a list settles nothing.
        from attractor.worlds.orders import mark_stop_seen

        if view.folder.read().stopped_by.get(stopped.rule) != stopped:
            raise RowGone
        mark_stop_seen(view.folder, stopped.rule, at.opened)
        return "seen; there is a new row if it happens again"

    return act


part = Source(_rows)

"""Automations that were edited, or of which a start failed."""

from collections.abc import Iterator

from attractor.attention.rows import AttentionRow, in_project
from attractor.attention.source import Look, Source
from attractor.automations.store import list_automations, list_faults


def _rows(look: Look) -> Iterator[AttentionRow]:
    project = look.project
    # Most projects have none, and are not opened.
    if not list_automations(look.state, project.project_id) or not project.root.is_dir():
        return
    for fault in list_faults(look.open()):
        yield AttentionRow(
            id=f"automation:{project.project_id}:{fault.name}:{fault.key}",
            need="automation",
            project=project,
            name=fault.name,
            reason=fault.reason,
            since=fault.since,
            command=f"{in_project(project)}attractor automation show {fault.name}",
        )


part = Source(_rows)

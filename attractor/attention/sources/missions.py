"""Missions that wait for a person, and those whose process died."""

from collections.abc import Iterator

from attractor.attention.rows import AttentionRow, Link, in_project
from attractor.attention.source import Look, Source
from attractor.base.locks import FileLock
from attractor.factory.project import project_folder
from attractor.missions.records import MISSIONS, MissionFolder


def _rows(look: Look) -> Iterator[AttentionRow]:
    place = project_folder(look.state, look.project.project_id) / MISSIONS
    for root in sorted(place.glob("[!.]*")):
        folder = MissionFolder(root, look.project)
        if FileLock.is_held(folder.lock) or folder.has_ended():
            continue
        # Imported here, because only projects with open missions need it.
        from attractor.missions.report import report_of

        found, history = report_of(folder, look.open()), folder.read()
        if found.status != "waiting":
            continue
        yield AttentionRow(
            id=f"mission:{folder.name}",
            need="mission",
            project=look.project,
            name=folder.name,
            reason=found.waits_for,
            since=history.last_at,
            command=f"{in_project(look.project)}{found.command}",
            usage=history.usage,
            link=Link("Open the mission", f"/missions/{folder.name}"),
        )


part = Source(_rows)
"""What needs a person in missions."""

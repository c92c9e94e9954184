"""What the fleet needs, as a server published it a moment ago."""

from collections.abc import Iterator

from attractor.attention.fleet_needs import read_needs
from attractor.attention.rows import AttentionRow, Link
from attractor.attention.source import Look, Source


def _rows(look: Look) -> Iterator[AttentionRow]:
    for one in read_needs(look.state, look.now):
        if one.project == look.project.project_id:
            yield AttentionRow(
                id=one.id,
                need="fleet",
                project=look.project,
                name=one.name,
                reason=one.reason,
                since=one.since,
                command=one.command,
                run_id=one.run_id,
                link=Link("Open the fleet", "/fleet"),
            )


part = Source(_rows)

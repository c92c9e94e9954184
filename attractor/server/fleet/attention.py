"""Rows of what needs a person: runs that no worker takes any more, and a fleet that is away."""

from collections.abc import Callable, Iterator, Mapping

from attractor.base.amounts import number_of
from attractor.factory.project import ProjectFolder
from attractor.fleet.records import ReasonKind
from attractor.server.fleet.connection import FleetConnection
from attractor.server.fleet.view import changed_at
from attractor.worlds.rows import AttentionRow, Need

NO_WORKER_S = 60.0
"""A run that no worker takes needs a person after this time."""


def rows_of_fleet(
    connection: FleetConnection,
    projects: Mapping[str, ProjectFolder],
    own: str,
    reaches: Callable[[str], bool],
) -> Iterator[AttentionRow]:
    """Yield the rows of the fleet, as it was a moment ago.

    What is away is a row of the project `own` of the server.
    """
    for kind, away in connection.away.items():
        if own in projects and reaches(own):
            yield AttentionRow(
                id=f"fleet:{kind}",
                need=Need.FLEET,
                project=projects[own],
                name="fleet",
                reason=f"the {away.name} of the fleet is away: {away.words}",
                since=away.since,
                command="attractor fleet status",
            )
    for one, number in connection.waits:
        run, reason = one.run, one.reason
        if reason is None or run.project not in projects or not reaches(run.project):
            continue
        is_late = reason.kind is ReasonKind.NO_WORKER and one.since_s > NO_WORKER_S
        if is_late or reason.kind is ReasonKind.POISON:
            others = f" (and {number_of(number - 1, 'other run')})" if number > 1 else ""
            yield AttentionRow(
                id=f"fleet:{run.run_id}:{reason.kind}:{run.attempt}",
                need=Need.FLEET,
                project=projects[run.project],
                name=run.run_id,
                reason=f"{one.words}{others}",
                since=changed_at(one),
                command=one.command,
                run_id=run.directory,
            )

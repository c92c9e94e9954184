"""What the fleet needs of a person: a look at runs that no worker takes, or at what is away."""

from collections.abc import Iterator

from attractor.attention.fleet_needs import FleetNeed
from attractor.base.amounts import number_of
from attractor.fleet.records import ReasonKind
from attractor.server.fleet.connection import FleetConnection
from attractor.server.fleet.view import changed_at

NO_WORKER_S = 60.0
"""A run that no worker takes needs a person after this time."""


def needs_of_fleet(connection: FleetConnection, own: str) -> Iterator[FleetNeed]:
    """Yield what the fleet needs, as it was a moment ago.

    What is away is a need of the project `own` of the server.
    """
    for kind, away in connection.away.items():
        yield FleetNeed(
            id=f"fleet:{kind}",
            project=own,
            name="fleet",
            reason=f"the {away.name} of the fleet is away: {away.words}",
            since=away.since,
            command="attractor fleet status",
        )
    for one, number in connection.waits:
        run, reason = one.run, one.reason
        is_late = reason and reason.kind is ReasonKind.NO_WORKER and one.since_s > NO_WORKER_S
        if reason and (is_late or reason.kind is ReasonKind.POISON):
            others = f" (and {number_of(number - 1, 'other run')})" if number > 1 else ""
            yield FleetNeed(
                id=f"fleet:{run.run_id}:{reason.kind}:{run.attempt}",
                project=run.project,
                name=run.run_id,
                reason=f"{one.words}{others}",
                since=changed_at(one),
                command=one.command,
                run_id=run.directory,
            )

"""Gives the app that runs and the app that was built the same recorded traffic (ruling G10)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact, changed_responses
from attractor.growth.simulation.replay import replay
from attractor.growth.simulation.report import WillChange
from attractor.growth.simulation.traffic import Recording, Request, Response

_HOME = Request(method="GET", path="/")


@dataclass(frozen=True)
class Rehearsed:
    """What changes, and the home screens after the traffic by name, as HTML."""

    will_change: tuple[WillChange, ...]
    pages: Mapping[str, str]


async def rehearse(
    plan: Plan,
    recordings: Sequence[Recording],
    *,
    before: Path | None,
    after: Path,
    sandbox: EnvironmentChoice,
) -> Rehearsed:
    """Replay all recordings against the trees of both apps, and compare the responses.

    An app that was never deployed has no tree `before`; the new one must only respond.
    """
    impact = Impact(plan.base, plan.result)
    found: list[WillChange] = []
    pages: dict[str, str] = {}
    for recording in recordings:
        requests = [*recording.requests, _HOME]
        migrated = plan.migration.up(recording.state).state
        new = await replay(after, recording.conditions, requests, migrated, sandbox)
        pages["after"] = _page(new)
        if before is None:
            continue
        old = await replay(before, recording.conditions, requests, recording.state, sandbox)
        pages["before"] = _page(old)
        found += [
            WillChange(
                request=f"{one.request.method} {one.request.path}",
                change=one.describe(),
                is_expected=impact.claims(one.request),
            )
            for one in changed_responses(requests, old, new)
        ]
    return Rehearsed(tuple(found), pages)


def _page(responses: Sequence[Response]) -> str:
    return str(responses[-1].body)

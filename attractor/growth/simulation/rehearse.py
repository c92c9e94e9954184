"""Replays the recorded traffic against the app as it runs and against the app that was built."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact, changed_responses
from attractor.growth.simulation.replay import replay
from attractor.growth.simulation.report import Rehearsal, WillChange
from attractor.growth.simulation.traffic import Recording


@dataclass(frozen=True)
class BuiltApp:
    """The tree that a crew run built."""

    run_id: str
    tree: str
    folder: Path


async def rehearse(
    plan: Plan, recordings: Sequence[Recording], *, running: Path | None, built: BuiltApp
) -> Rehearsal:
    """Return what the built app does with the recorded traffic.

    An app that was never deployed has no former responses; it must only respond.
    """
    impact = Impact(plan.base, plan.result)
    found: list[WillChange] = []
    for recording in recordings:
        migrated = plan.migration.up(recording.state).state
        new = await replay(built.folder, recording, migrated)
        if running is None:
            continue
        old = await replay(running, recording, recording.state)
        for change in changed_responses(recording.requests, old, new):
            request = f"{change.request.method} {change.request.path}"
            is_expected = impact.claims(change.request)
            found.append(
                WillChange(request=request, change=change.describe(), is_expected=is_expected)
            )
    return Rehearsal(run_id=built.run_id, tree=built.tree, will_change=tuple(found))

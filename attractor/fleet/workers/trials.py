"""Plays the trials of a run in the process of an attempt, and commits each line about them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from attractor.base.errors import AttractorError, Refused
from attractor.base.files import read_regular
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import Usage
from attractor.environments.environment import Promises
from attractor.factory.register import weakest
from attractor.fleet.store.places import EVALUATION, SENT, SUITES, TRIALS, MachinePlace
from attractor.fleet.workers.fence import WorkerChannel
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.workspaces.folders import workspaces_folder

if TYPE_CHECKING:
    from attractor.factory.evaluation.elsewhere import SentTrials
    from attractor.scenarios.sealed_suite import SealedSuite

Finish = Callable[[BegunRun], Awaitable[None]]


class TrialsLeft(AttractorError):
    """The worker takes no more work: another one plays the trials that are left."""


def find_trials(place: MachinePlace, channel: WorkerChannel) -> Finish | None:
    """Return the function that plays the trials sent with a run; None for a run without any."""
    folder = place.state / EVALUATION
    if not folder.exists():
        return None
    # Suites are slow to import.
    from attractor.factory.evaluation.elsewhere import SentTrials
    from attractor.scenarios.sealed_suite import open_sealed
    from attractor.scenarios.wall.crossing import read_crossing

    sent = SentTrials.from_bytes(read_regular(folder / SENT))
    sealed = sent.seeded(open_sealed(folder / SUITES, sent.seal))
    if isinstance(sent.crossing, dict):
        sealed = replace(sealed, crossing=read_crossing(sent.crossing))
    return partial(_play, place, channel, sent, sealed)


async def _play(
    place: MachinePlace,
    channel: WorkerChannel,
    sent: "SentTrials",
    sealed: "SealedSuite",
    begun: BegunRun,
) -> None:
    """Play the missing trials of a run that has ended."""
    # Suites are slow to import.
    from attractor.factory.evaluation.elsewhere import TrialLines
    from attractor.factory.evaluation.trial_player import play_holdouts
    from attractor.scenarios.check import require_judgeable

    _require_kept(sent.promises, begun.plan.sandbox.promises)
    machine = begun.plan.scope.project.machine
    await require_judgeable(sealed.suite, machine.environ)
    file = place.state / EVALUATION / TRIALS

    def keep_line(used: Usage, ends_trial: bool) -> None:
        channel.keep(used, ends_stage=ends_trial)

    lines = TrialLines(file, sent, sealed.suite.settings, machine.clock, keep_line)
    time = Budgets(duration=begun.plan.budgets.duration)

    def require_time() -> None:
        if channel.leaves:
            raise TrialsLeft(channel.leaves)
        time.require_remaining(begun.run, evaluated_seconds=lines.seconds())

    keep = partial(lines.keep_setup, workspaces_folder(machine.state_dir))
    await play_holdouts(begun, sealed, lines, lines.earlier(), keep=keep, before_trial=require_time)


def _require_kept(wanted: Promises, own: Promises) -> None:
    """Refuse a sandbox that keeps fewer promises than the server has recorded."""
    if weakest([wanted, own]) != wanted:
        raise Refused(
            "the sandbox of this worker keeps fewer promises than that of the server",
            hint="see what it keeps: attractor doctor; stop the worker, or change its sandbox",
        )

"""The race, the queue and the pull request of a run, for its page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError, words_of
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.open_project import OpenProject
from attractor.factory.promotion_queue import PromotionQueues, QueuedRun
from attractor.factory.pulls.feedback import PullRequestFeedback, read_pull_feedback
from attractor.factory.pulls.readings import PullReading, PullReadings, PullStep, pull_step
from attractor.factory.pulls.rounds import Round, endings_in, rounds_in
from attractor.factory.races import race_with, races_in


@dataclass(frozen=True)
class RunPull:
    """The pull request of a run: how it ended, what was read of it last, and what it needs.

    `later` is the run of its latest round, if that is another one. `feedback` has the failed checks
    and the remarks; `trouble` is the reason if they cannot be read.
    """

    round: Round
    ending: str
    reading: PullReading | None
    later: str
    step: PullStep | None
    feedback: PullRequestFeedback | None = None
    trouble: str = ""


@dataclass(frozen=True)
class FactoryFacts:
    """The race and the pull request of a run, and its place in a queue (0: returned).

    `continued` is the pull request whose next round the run is, before it is proposed.
    """

    race_id: str = ""
    queued: QueuedRun | None = None
    branch: str = ""
    place: int = 0
    continued: PullReading | None = None
    pull: RunPull | None = None
    trouble: str = ""


def read_facts(root: Path, run_id: str, opened: OpenProject) -> FactoryFacts:
    """Return the facts about a run; the page shows the rest if they cannot be read."""
    try:
        entries = list(opened.ledger.mentioning(run_id))
        race = race_with(races_in(entries), [run_id])
        own = next((round_ for round_ in rounds_in(entries) if round_.run_id == run_id), None)
        queue = next(
            (queue for queue in PromotionQueues.of(opened).all() if queue.find(run_id)), None
        )
        queued = queue.find(run_id) if queue else None
        readings = PullReadings.of(opened).all()
        return FactoryFacts(
            race_id=race.race_id if race else "",
            queued=queued,
            branch=queue.branch if queue else "",
            place=queue.position(queued) if queue and queued else 0,
            continued=next((one for one in readings if one.next_run == run_id), None),
            pull=_read_pull(root, own, entries, opened) if own else None,
        )
    except (AttractorError, OSError) as fault:
        words = words_of(fault)
        return FactoryFacts(trouble=words)


def _read_pull(
    root: Path, own: Round, entries: Sequence[LedgerEntry], opened: OpenProject
) -> RunPull:
    latest = rounds_in(opened.ledger.mentioning(own.url))[-1].run_id
    later = latest if latest != own.run_id else ""
    ending = endings_in(opened.ledger.entries(latest)).get(latest, "")
    reading = PullReadings.of(opened).of_run(own.run_id)
    pull = RunPull(own, ending, reading, later, pull_step(reading) if reading else None)
    try:
        return replace(pull, feedback=read_pull_feedback(root, own.run_id, entries))
    except VerificationError as fault:
        return replace(pull, trouble=fault.in_one_line)

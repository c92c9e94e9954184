"""The race, the queue and the pull request of a run, for its page."""

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.factory.decisions.proposals import Round, endings_in, rounds_in
from attractor.factory.open_project import OpenProject
from attractor.factory.promotion_queue import PromotionQueues, QueuedRun
from attractor.factory.pull_readings import PullReading, PullReadings, PullStep, pull_step
from attractor.factory.races import race_with, races_in


@dataclass(frozen=True)
class RunPull:
    """The pull request of a run: how it ended, what was read of it last, and what it needs.

    `later` is the run of its latest round, if that is another one.
    """

    round: Round
    ending: str
    reading: PullReading | None
    later: str
    step: PullStep | None


@dataclass(frozen=True)
class FactoryFacts:
    """The race and the pull request of a run, and its place in a queue (0: returned)."""

    race_id: str = ""
    queued: QueuedRun | None = None
    branch: str = ""
    place: int = 0
    pull: RunPull | None = None
    trouble: str = ""


def read_facts(run_id: str, opened: OpenProject) -> FactoryFacts:
    """Return the facts about a run; the page shows the rest if they cannot be read."""
    try:
        entries = list(opened.ledger.mentioning(run_id))
        race = race_with(races_in(entries), [run_id])
        own = next((round_ for round_ in rounds_in(entries) if round_.run_id == run_id), None)
        queue = next(
            (queue for queue in PromotionQueues.of(opened).all() if queue.find(run_id)), None
        )
        queued = queue.find(run_id) if queue else None
        return FactoryFacts(
            race_id=race.race_id if race else "",
            queued=queued,
            branch=queue.branch if queue else "",
            place=queue.position(queued) if queue and queued else 0,
            pull=_read_pull(own, endings_in(entries).get(run_id, ""), opened) if own else None,
        )
    except (AttractorError, OSError) as fault:
        words = fault.in_one_line if isinstance(fault, AttractorError) else str(fault)
        return FactoryFacts(trouble=words)


def _read_pull(own: Round, ending: str, opened: OpenProject) -> RunPull:
    found = PullReadings.of(opened).find(own.repository, own.number)
    is_latest = found is not None and found.run_id == own.run_id
    later = found.run_id if found and not is_latest else ""
    reading = found if is_latest else None
    return RunPull(own, ending, reading, later, pull_step(reading) if reading else None)

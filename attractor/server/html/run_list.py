"""The runs above the list of runs: those that wait for a person, run, failed and are done."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.journal.reader import events_of
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import StatusWord
from attractor.records.drawing import read_graph
from attractor.records.summary import RunOverview


@dataclass(frozen=True)
class WaitingCard:
    """A question of a run, or a run that waits for another step of a person."""

    run: RunOverview
    since: datetime
    question: Question | None = None


def waiting_cards(runs: Iterable[RunOverview]) -> Sequence[WaitingCard]:
    """Return cards of runs that wait for a person, the oldest first.

    A new card is below all others, so that no card moves while a person reads it.
    """
    return sorted((card for run in runs for card in _cards_of(run)), key=lambda card: card.since)


def _cards_of(run: RunOverview) -> Iterator[WaitingCard]:
    for question in run.questions:
        yield WaitingCard(run, _asked_at(run.directory, question.id, run.started), question)
    if not run.questions:
        yield WaitingCard(run, run.written or run.started)


@lru_cache(maxsize=10_000)
def _asked_at(root: Path, question: str, default: datetime) -> datetime:
    """Return the time of a question, which never changes."""
    for event in events_of(RunDirectory(root).events, ("QuestionAsked",)):
        match event.data:
            case {"question": {"id": str(id_)}} if id_ == question:
                return event.time
            case _:
                pass
    return default


@dataclass(frozen=True)
class RunningCard:
    """A run at work: the stages that it has reached, of all stages, and the time since its start.

    Without a readable pipeline, `stages` is 0.
    """

    run: RunOverview
    reached: int
    stages: int
    seconds: float


def running_card(run: RunOverview, now: datetime) -> RunningCard:
    """Return the card of a run at work."""
    seconds = max(0.0, (now - run.started).total_seconds())
    # The page of the run names the error.
    try:
        stages = _stages_of(run.directory)
        started = events_of(RunDirectory(run.directory).events, ("StageStarted",))
        reached = stages & {event.node for event in started}
    except AttractorError:
        return RunningCard(run, 0, 0, seconds)
    return RunningCard(run, len(reached), len(stages), seconds)


@lru_cache(maxsize=1000)
def _stages_of(root: Path) -> frozenset[str]:
    """Return the nodes of a run that are stages: all but start and exit."""
    nodes = read_graph(RunDirectory(root)).nodes.values()
    return frozenset(node.id for node in nodes if node.type not in ("start", "exit"))


@dataclass(frozen=True)
class Ended:
    """The newest runs that ended, apart: failed ones with their reason, and those that are done."""

    failed: Sequence[RunOverview]
    done: Sequence[RunOverview]


def ended_among(runs: Iterable[RunOverview], most: int) -> Ended:
    """Return the newest runs that ended among runs."""
    ended = [run for run in runs if run.is_final or run.is_resting]
    failed = [run for run in ended if run.status == StatusWord.FAILED or run.outcome == "fail"]
    done = [run for run in ended if run not in failed and run.status != StatusWord.CANCELED]
    return Ended(failed[:most], done[:most])

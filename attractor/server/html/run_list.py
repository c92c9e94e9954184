"""The content of the list of runs: what waits for a person, what runs, failed and is done."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.journal.reader import selected_events
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.drawing import read_graph, read_states
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import StatusWord
from attractor.engine.storage.json_files import Fields
from attractor.pipeline.runs.summary import RunSummary

_ASKED = "QuestionAsked"


@dataclass(frozen=True)
class WaitingCard:
    """A question of a run, or a run that waits for another step of a person."""

    run: RunSummary
    since: datetime
    question: Question | None = None


def waiting_cards(runs: Iterable[RunSummary]) -> Sequence[WaitingCard]:
    """Return cards of runs that wait for a person, the oldest first.

    A new card is below all others, so that no card moves while a person reads it.
    """
    return sorted((card for one in runs for card in _cards_of(one)), key=lambda card: card.since)


def _cards_of(one: RunSummary) -> Iterator[WaitingCard]:
    for question in one.questions:
        yield WaitingCard(one, _asked_at(one.directory, question.id, one.started), question)
    if not one.questions:
        yield WaitingCard(one, one.written or one.started)


@lru_cache(maxsize=10_000)
def _asked_at(root: Path, question: str, default: datetime) -> datetime:
    """Return the time of a question, which never changes."""
    for event in selected_events(RunDirectory(root).events, (_ASKED,)):
        if event.type == _ASKED:
            asked = Fields(event.data, f"event {event.seq} ({event.type})").inner("question")
            if asked.text("id") == question:
                return event.time
    return default


@dataclass(frozen=True)
class RunningCard:
    """A run at work: the stages that it has reached, of all stages, and the time since its start.

    Without a readable pipeline, `stages` is 0.
    """

    run: RunSummary
    reached: int
    stages: int
    seconds: float


def running_card(one: RunSummary, now: datetime) -> RunningCard:
    """Return the card of a run at work."""
    seconds = max(0.0, (now - one.started).total_seconds())
    # The page of the run names the error.
    try:
        stages = _stages_of(one.directory)
        reached = stages & read_states(RunDirectory(one.directory)).nodes.keys()
    except AttractorError:
        return RunningCard(one, 0, 0, seconds)
    return RunningCard(one, len(reached), len(stages), seconds)


@lru_cache(maxsize=1000)
def _stages_of(root: Path) -> frozenset[str]:
    """Return the nodes of a run that are stages: all but start and exit."""
    nodes = read_graph(RunDirectory(root)).nodes.values()
    return frozenset(one.id for one in nodes if one.type not in ("start", "exit"))


@dataclass(frozen=True)
class Ended:
    """The newest runs that ended, apart: failed ones with their reason, and those that are done."""

    failed: Sequence[RunSummary]
    done: Sequence[RunSummary]


def ended_among(runs: Iterable[RunSummary], most: int) -> Ended:
    """Return the newest runs that ended among runs."""
    ended = [one for one in runs if one.is_final or one.is_resting]
    failed = [one for one in ended if one.status == StatusWord.FAILED or one.outcome == "fail"]
    done = [one for one in ended if one not in failed and one.status != StatusWord.CANCELED]
    return Ended(failed[:most], done[:most])

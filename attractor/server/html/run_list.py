"""The content of the list of runs: cards of all that waits for a person, and the lists of runs."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.journal.reader import selected_events
from attractor.engine.questions.question import Question
from attractor.engine.run_folder.layout import RunDirectory
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

"""Reads the incidents of a run from its journal: events that a person should know about."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.journal.events import INPUT_SOUGHT
from attractor.engine.journal.reader import events_of
from attractor.records.event_lines import describe_without_time

INCIDENTS = (
    *("HoldoutLeaked", "EditsSetAside", "TornLineDropped", "LeftRunningEnded"),
    INPUT_SOUGHT,
)
"""The types of the events that are incidents."""

_MERGED, _UNJUDGED = "PromotionCompleted", "unjudged_tree"


@dataclass(frozen=True)
class Incident:
    """An incident: its time, the type of its event, and a sentence."""

    time: datetime
    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.time.astimezone():%Y-%m-%d %H:%M:%S}  {self.words}"


def read_incidents(journal: Path) -> Sequence[Incident]:
    """Return the incidents in a journal, oldest first."""
    return [
        Incident(event.time, event.type, describe_without_time(event))
        for event in events_of(journal, (*INCIDENTS, _MERGED))
        # Most promotions bring the tree that was judged.
        if event.type != _MERGED or _UNJUDGED in event.data
    ]

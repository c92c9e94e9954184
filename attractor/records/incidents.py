"""Reads the incidents of a run from its journal: events that a person should know about."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import parse_object
from attractor.records.event_lines import describe_without_time

INCIDENTS = ("HoldoutLeaked", "EditsSetAside", "TornLineDropped", "LeftRunningEnded")
"""The types of the events that are incidents."""


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
    found: list[Incident] = []
    wanted = [f'"type":"{kind}"'.encode() for kind in INCIDENTS]
    for line in read_lines(journal) if journal.exists() else ():
        # Few lines are parsed, because a journal may be long.
        if not any(kind in line.content for kind in wanted):
            continue
        if (record := parse_object(line.content)) is not None:
            event = Event.from_record(record)
            found.append(Incident(event.time, event.type, describe_without_time(event)))
    return found

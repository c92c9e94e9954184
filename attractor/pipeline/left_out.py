"""Tells in the journal what a stage left in the workspace that its snapshot does not hold."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from attractor.base.canonical import Json
from attractor.engine.events import FilesLeftOut, Place
from attractor.engine.excerpts import shorten
from attractor.engine.open_run import OpenRun
from attractor.workspaces.snapshot import Snapshot

MOST_NAMED = 50
LONGEST_NAME = 200
_Name = TypeVar("_Name", str, tuple[str, str])


class LeftOut:
    """Hears of each snapshot, and writes down what is new in it; the run may be opened later.

    When a process takes the run over, all that lies there is new to it. What `ours` names, the
    records of the run itself, is not spoken of.
    """

    def __init__(self, run: OpenRun | None = None, *, ours: Collection[str] = ()) -> None:
        self.run = run
        self._ours = frozenset(ours)
        self._ignored: frozenset[str] = frozenset()
        self._refused: frozenset[tuple[str, str]] = frozenset()

    def hear(self, subject: str, snapshot: Snapshot) -> None:
        """Write what was not there at the last snapshot; what a stage took away is no matter."""
        ignored = frozenset(snapshot.ignored) - self._ours
        refused = frozenset((one.path, one.why.value) for one in snapshot.skipped)
        new, newly_refused = ignored - self._ignored, refused - self._refused
        self._ignored, self._refused = ignored, refused
        if self.run is not None and (new or newly_refused):
            self.run.record(
                FilesLeftOut(
                    ignored=[shorten(path, LONGEST_NAME) for path in _first(new)],
                    ignored_count=len(new),
                    refused=[_refusal(path, why) for path, why in _first(newly_refused)],
                    refused_count=len(newly_refused),
                ),
                place=_place(self.run),
            )


def _first(names: Iterable[_Name]) -> list[_Name]:
    return sorted(names)[:MOST_NAMED]


def _refusal(path: str, why: str) -> dict[str, Json]:
    return {"path": shorten(path, LONGEST_NAME), "why": why}


def _place(run: OpenRun) -> Place:
    """Return the stage in flight, whose snapshot it is."""
    flight = run.state.in_flight
    return Place(flight.node, flight.visit, flight.attempt) if flight else Place()

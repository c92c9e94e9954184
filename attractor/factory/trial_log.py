"""Writes what happens to trials: the words into the state folder, the rest into the run's journal.

A result is kept before the journal tells of it, so that a crash loses at most the trial in flight,
and a journal that lost a line loses no result.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, parse_json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.factory.results import Results, Sitting
from attractor.scenarios.evaluation import Earlier, TrialKey, TrialResult, trial_keys
from attractor.scenarios.suite import Suite

STARTED, TROUBLED, COMPLETED = "TrialStarted", "TrialTroubled", "TrialCompleted"

_Name = tuple[object, object]


@dataclass(frozen=True)
class TrialLog:
    """What is written of the trials of one evaluation, and read again after a crash."""

    run: OpenRun
    sitting: Sitting
    results: Results

    def started(self, key: TrialKey) -> None:
        """Note that a trial begins."""
        self._write(STARTED, self._covered(key))

    def troubled(self, key: TrialKey, trouble: str) -> None:
        """Note that the machinery failed a trial; what it said may be a holdout's words."""
        self._write(TROUBLED, self._covered(key))

    def completed(self, result: TrialResult) -> None:
        """Note how a trial ended."""
        self._write(COMPLETED, self.results.keep(self.sitting, result))

    def earlier(self, suite: Suite) -> Earlier:
        """Return what this evaluation had come to when it died, each result with our seal."""
        kept = {self._name(one.key): one for one in self.results.all_of(self.sitting)}
        told = {_name_in(event): event.data for event in self._events((COMPLETED,))}
        for name, data in told.items():
            if name not in kept or self._told(kept[name]) != data:
                raise Broken(
                    f"a trial in {self.run.directory.events} was not written by this evaluation, "
                    "or its result is gone",
                    hint="nothing it says can be trusted: start a new run",
                )
        for name in kept.keys() - told.keys():
            # The process died between the two: the journal gets its line now.
            self._write(COMPLETED, self.results.told(self.sitting, kept[name]))
        begun = Counter(_name_in(event) for event in self._events((STARTED,)))
        return Earlier(
            {one.key: one for one in kept.values()},
            Counter({key: begun[self._name(key)] for key in trial_keys(suite)}),
        )

    def _covered(self, key: TrialKey) -> JsonObject:
        return {"scenario": self.results.cover_name(key.scenario), "trial": key.number}

    def _name(self, key: TrialKey) -> _Name:
        return self.results.cover_name(key.scenario), key.number

    def _told(self, result: TrialResult) -> dict[str, Json]:
        return {"evaluation": self.sitting.number, **self.results.told(self.sitting, result)}

    def _write(self, kind: str, data: JsonObject) -> None:
        self.run.emit(kind, {"evaluation": self.sitting.number, **data}, sync=True)

    def _events(self, kinds: Collection[str]) -> Iterator[Event]:
        for event in events_of(self.run.directory.events, kinds):
            if event.data.get("evaluation") == self.sitting.number:
                yield event


def events_of(journal: Path, kinds: Collection[str]) -> Iterator[Event]:
    """Yield the events of some kinds in a journal."""
    for line in read_lines(journal):
        record = parse_json(line.content)
        if isinstance(record, dict) and record.get("type") in kinds:
            yield Event.from_record(record)


def _name_in(event: Event) -> _Name:
    return event.data.get("scenario"), event.data.get("trial")

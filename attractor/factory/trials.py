"""Writes what happens to trials: the words into the state folder, the rest into the run's journal.

A result is kept before the journal tells of it, so that a crash loses at most the trial in flight,
and a journal that lost a line loses no result.

The results of trials with every word of them: in the state folder, out of every run's sight.

A run's journal and the ledger only tell which trial ended how, under a name that means nothing to
whoever has no key, and pin the whole result by its seal.
"""

import hmac
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.engine.run_folder.open_run import OpenRun
from attractor.factory.ledger import Ledger
from attractor.scenarios.evaluation import Earlier, TrialKey, TrialResult, trial_keys
from attractor.scenarios.suite import Suite

OWNER_ONLY = 0o600
NAME_LENGTH = 16


@dataclass(frozen=True)
class Sitting:
    """One evaluation of one run: which tree is tried."""

    run_id: str
    number: int
    tree: str


@dataclass(frozen=True)
class Results:
    """Every result of a state folder."""

    folder: Path
    ledger: Ledger

    def cover_name(self, scenario: str) -> str:
        """Return the name a scenario has where others can read: only the key leads to it."""
        return self.ledger.seal_of(canonical_json({"scenario": scenario}))[:NAME_LENGTH]

    def keep(self, sitting: Sitting, result: TrialResult) -> JsonObject:
        """Keep a result whole, and return what others may know of it."""
        file = self._file(sitting, result.key)
        make_private_folder(file.parent)
        kept: JsonObject = {"trial": dict(result.to_record()), "seal": self._seal(sitting, result)}
        write_whole(file, canonical_json(kept), mode=OWNER_ONLY)
        return self.told(sitting, result)

    def told(self, sitting: Sitting, result: TrialResult) -> JsonObject:
        """Return what others may know of a result: counts, and the seal that pins the rest."""
        return {
            "scenario": self.cover_name(result.key.scenario),
            "trial": result.key.number,
            "satisfied": result.satisfied,
            "checks": len(result.checks),
            "passed": sum(check.passed for check in result.checks),
            "duration_ms": result.duration_ms,
            "retries": result.retries,
            "is_error": bool(result.error),
            "seal": self._seal(sitting, result),
        }

    def all_of(self, sitting: Sitting) -> list[TrialResult]:
        """Return every result that was kept of an evaluation, through or not."""
        return [self._read(sitting, file) for file in sorted(self._folder(sitting).glob("*.json"))]

    def pinned(self, sitting: Sitting, told: JsonObject) -> TrialResult:
        """Return the result that others were told of; it must be there, and that very one."""
        file = self._folder(sitting) / f"{told.get('scenario')}-{told.get('trial')}.json"
        result = self._read(sitting, file)
        if self.told(sitting, result) != told:
            raise _changed(file)
        return result

    def _read(self, sitting: Sitting, file: Path) -> TrialResult:
        try:
            kept = parse_json(file.read_bytes())
        except FileNotFoundError as cause:
            raise VerificationError(f"{file} is gone", hint="bring it back from a copy") from cause
        except OSError as cause:
            raise file_error("read", file, cause) from cause
        except NotCanonical as cause:
            raise _changed(file) from cause
        result, seal = _taken_apart(kept, file)
        is_whole = hmac.compare_digest(seal, self._seal(sitting, result))
        if not is_whole or file != self._file(sitting, result.key):
            raise _changed(file)
        return result

    def _folder(self, sitting: Sitting) -> Path:
        return self.folder / sitting.run_id / str(sitting.number)

    def _file(self, sitting: Sitting, key: TrialKey) -> Path:
        return self._folder(sitting) / f"{self.cover_name(key.scenario)}-{key.number}.json"

    def _seal(self, sitting: Sitting, result: TrialResult) -> str:
        words: JsonObject = {
            "run": sitting.run_id,
            "evaluation": sitting.number,
            "tree": sitting.tree,
            "trial": dict(result.to_record()),
        }
        return self.ledger.seal_of(canonical_json(words))


def _taken_apart(kept: Json, file: Path) -> tuple[TrialResult, str]:
    match kept:
        case {"trial": dict(trial), "seal": str(seal)}:
            return TrialResult.from_record(trial), seal
        case _:
            raise _changed(file)


def _changed(file: Path) -> VerificationError:
    return VerificationError(
        f"{file} is not the result that was kept", hint="bring it back from a copy"
    )


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
                raise VerificationError(
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

"""Stores the results of trials in the state folder, and records public facts in the run's journal.

Journal and ledger contain only counts, an opaque scenario name and a seal, because agents can read
journal and ledger. A result is stored before it is recorded, so that a crash loses at most the
current trial: the next process records it as cut, and plays it only by a person's order.
"""

import hmac
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, VerificationError
from attractor.base.events import Event
from attractor.base.files import file_error, make_private_folder, read_regular, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.records import read_fields, read_record, write_fields, write_record
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.storage.json_files import Fields
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.scenarios.evaluation import (
    CRASHED,
    EarlierTrials,
    NoResult,
    Progress,
    TrialKey,
    TrialResult,
    TrialTrouble,
    Trouble,
    cut_trial,
    no_result_record,
    processor_record,
    seeded_suite,
    trial_keys,
    troubles_record,
    unpriced_record,
)
from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_setup import SetupResult
from attractor.scenarios.unjudged import KeptTrial

OWNER_ONLY = 0o600
NAME_LENGTH = 16
_RESTORE = "restore it from a backup"

OF_TREE = "of_tree"
"""The member with the number of an evaluation among those of its tree; absent for the first."""


@dataclass(frozen=True)
class EvaluationId:
    """Identifies an evaluation by run, number and evaluated tree."""

    run_id: str
    number: int
    tree: str


@dataclass(frozen=True)
class TrialStore:
    """The results of trials in a state folder."""

    folder: Path
    ledger: Ledger

    def opaque_name(self, scenario: str) -> str:
        """Return the name of a scenario in public records, derived with the key."""
        return self.ledger.seal_of(canonical_json({"scenario": scenario}))[:NAME_LENGTH]

    def store(self, evaluation_id: EvaluationId, result: TrialResult) -> JsonObject:
        """Store a result, and return its public record."""
        file = self._file(evaluation_id, result.key)
        make_private_folder(file.parent)
        kept: JsonObject = {
            "trial": dict(result.to_record()),
            "seal": self._seal(evaluation_id, result),
        }
        write_whole(file, canonical_json(kept), mode=OWNER_ONLY)
        return self.public_record(evaluation_id, result)

    def public_record(self, evaluation_id: EvaluationId, result: TrialResult) -> JsonObject:
        """Return the public record of a result: counts and a seal."""
        return {
            "scenario": self.opaque_name(result.key.scenario),
            "trial": result.key.number,
            "satisfied": result.satisfied,
            "checks": len(result.checks),
            "passed": sum(check.passed for check in result.checks),
            "duration_ms": result.duration_ms,
            "retries": result.retries,
            "is_error": bool(result.error),
            "culprit": result.culprit.value if result.culprit else "",
            "cost_usd": result.cost_usd,
            "tokens": result.tokens,
            **unpriced_record(result.unpriced_tokens),
            **processor_record(result.processor_ms),
            **troubles_record(result.troubles),
            **no_result_record(result.no_result),
            "seal": self._seal(evaluation_id, result),
        }

    def all_of(self, evaluation_id: EvaluationId) -> list[TrialResult]:
        """Return the stored results of an evaluation; refuse if a failed trial is missing."""
        for failed in self.failed(evaluation_id):
            self.pinned(evaluation_id, failed)
        return [
            self._read(evaluation_id, file)
            for file in sorted(self._folder(evaluation_id).glob("*.json"))
        ]

    def failed(self, evaluation_id: EvaluationId) -> list[JsonObject]:
        """Return the public records of the failed trials that the ledger pins."""
        number = evaluation_id.number
        return [
            {name: value for name, value in entry.data.items() if name != "evaluation"}
            for entry in self.ledger.entries(evaluation_id.run_id)
            if entry.kind == LineKind.TRIAL_FAILED and entry.data.get("evaluation") == number
        ]

    def pin_failed(
        self, evaluation_id: EvaluationId, result: TrialResult, *, now: datetime
    ) -> None:
        """Pin a failed trial in the ledger, so that an evaluation cannot lose it before its end."""
        record = self.public_record(evaluation_id, result)
        data = {"evaluation": evaluation_id.number, **record}
        self.ledger.append(LineKind.TRIAL_FAILED, evaluation_id.run_id, data, now=now)

    def present(self, evaluation_id: EvaluationId, public_record: JsonObject) -> TrialResult:
        """Return the stored result of a trial that had no result when it was recorded.

        Since then, it may have got a result.
        """
        return self._read(evaluation_id, self._named(evaluation_id, public_record))

    def keep(self, evaluation_id: EvaluationId, result: TrialResult, *, now: datetime) -> None:
        """Keep what the judge needs of an unjudged trial, and pin its seal in the ledger."""
        file = self._kept_file(evaluation_id, result.key)
        make_private_folder(file.parent)
        text = canonical_json(write_record(result.kept))
        write_whole(file, text, mode=OWNER_ONLY)
        data: JsonObject = {
            "evaluation": evaluation_id.number,
            "scenario": self.opaque_name(result.key.scenario),
            "trial": result.key.number,
            "kept": self.ledger.seal_of(text),
        }
        self.ledger.append(LineKind.TRIAL_UNJUDGED, evaluation_id.run_id, data, now=now)

    def kept(self, evaluation_id: EvaluationId, key: TrialKey) -> KeptTrial:
        """Return what was kept of an unjudged trial; refuse other content than was pinned."""
        file = self._kept_file(evaluation_id, key)
        wanted = (evaluation_id.number, self.opaque_name(key.scenario), key.number)
        seals = [
            str(entry.data["kept"])
            for entry in self.ledger.entries(evaluation_id.run_id)
            if entry.kind == LineKind.TRIAL_UNJUDGED
            and tuple(entry.data[name] for name in ("evaluation", "scenario", "trial")) == wanted
        ]
        try:
            text = file.read_text("utf-8")
        except OSError as cause:
            raise file_error("read", file, cause) from cause
        if not seals or not hmac.compare_digest(seals[-1], self.ledger.seal_of(text)):
            raise _changed(file)
        record = parse_json(text.encode())
        return read_record(KeptTrial, record if isinstance(record, dict) else {})

    def forget(self, evaluation_id: EvaluationId, key: TrialKey) -> None:
        """Remove what was kept of a trial that is judged."""
        self._kept_file(evaluation_id, key).unlink(missing_ok=True)

    def _kept_file(self, evaluation_id: EvaluationId, key: TrialKey) -> Path:
        file = self._file(evaluation_id, key)
        return file.parent / "unjudged" / file.name

    def replays(self, evaluation_id: EvaluationId) -> list[JsonObject]:
        """Return the orders of persons to play cut trials of an evaluation again."""
        return [
            entry.data
            for entry in self.ledger.entries(evaluation_id.run_id)
            if entry.kind == LineKind.TRIALS_REPLAYED
            and entry.data.get("evaluation") == evaluation_id.number
        ]

    def can_replay(self, evaluation_id: EvaluationId, result: TrialResult) -> bool:
        """Return whether a trial was cut, and never played again by a person's order."""
        if result.no_result is not NoResult.CUT:
            return False
        replayed = [trial for data in self.replays(evaluation_id) for trial in _trials(data)]
        return (self.opaque_name(result.key.scenario), result.key.number) not in replayed

    def setup_record(self, evaluation_id: EvaluationId, setup: SetupResult) -> JsonObject:
        """Return the record of the setup of a suite, with a seal."""
        record = write_fields(setup)
        words: JsonObject = {"evaluation": write_fields(evaluation_id), "setup": record}
        return {**record, "seal": self.ledger.seal_of(canonical_json(words))}

    def pinned(self, evaluation_id: EvaluationId, public_record: JsonObject) -> TrialResult:
        """Return the stored result of a public record, after verifying the seal in the record."""
        file = self._named(evaluation_id, public_record)
        result = self._read(evaluation_id, file)
        if self.public_record(evaluation_id, result) != public_record:
            raise _changed(file)
        return result

    def _read(self, evaluation_id: EvaluationId, file: Path) -> TrialResult:
        try:
            record = parse_json(read_regular(file))
        except FileNotFoundError as cause:
            raise VerificationError(
                f"missing result {file}", hint="restore it from a backup"
            ) from cause
        except OSError as cause:
            raise file_error("read", file, cause) from cause
        except NotCanonical as cause:
            raise _changed(file) from cause
        result, seal = _parse(record, file)
        is_whole = hmac.compare_digest(seal, self._seal(evaluation_id, result))
        if not is_whole or file != self._file(evaluation_id, result.key):
            raise _changed(file)
        return result

    def _folder(self, evaluation_id: EvaluationId) -> Path:
        return self.folder / evaluation_id.run_id / str(evaluation_id.number)

    def _named(self, evaluation_id: EvaluationId, public_record: JsonObject) -> Path:
        name = f"{public_record.get('scenario')}-{public_record.get('trial')}.json"
        return self._folder(evaluation_id) / name

    def _file(self, evaluation_id: EvaluationId, key: TrialKey) -> Path:
        return self._folder(evaluation_id) / f"{self.opaque_name(key.scenario)}-{key.number}.json"

    def _seal(self, evaluation_id: EvaluationId, result: TrialResult) -> str:
        words: JsonObject = {
            "run": evaluation_id.run_id,
            "evaluation": evaluation_id.number,
            "tree": evaluation_id.tree,
            "trial": dict(result.to_record()),
        }
        return self.ledger.seal_of(canonical_json(words))


def _parse(kept: Json, file: Path) -> tuple[TrialResult, str]:
    match kept:
        case {"trial": dict(trial), "seal": str(seal)}:
            return TrialResult.from_record(trial), seal
        case _:
            raise _changed(file)


def _changed(file: Path) -> VerificationError:
    return VerificationError(f"corrupt result {file}", hint=_RESTORE)


STARTED, TROUBLED, COMPLETED = "TrialStarted", "TrialTroubled", "TrialCompleted"
SETUP_STARTED, SETUP_COMPLETED = "SuiteSetupStarted", "SuiteSetupCompleted"
CUT, UNJUDGED, REPLAYED = "TrialCut", "TrialUnjudged", "TrialsReplayed"
SENT = "TrialsSent"
PROGRESS, LINE = "progress", "line"
ENDS_EVALUATION = "ends_evaluation"
"""The member of trouble that ended the evaluation: the start of its trial does not count."""

_TIMED = (COMPLETED, CUT, UNJUDGED, SETUP_COMPLETED)
_OF_LINES = (STARTED, TROUBLED, SETUP_STARTED, *_TIMED)
_KINDS = {None: COMPLETED, NoResult.CUT: CUT, NoResult.UNJUDGED: UNJUDGED}
_Name = tuple[object, object]


@dataclass(frozen=True)
class TrialLog:
    """Records the trials of an evaluation, and reads them after a crash.

    The progress of a trial has the seconds that all evaluations of the run took so far. For a line
    of another machine, `line` is its number, and `elapsed` are these seconds there.
    """

    run: OpenRun
    evaluation_id: EvaluationId
    results: TrialStore
    line: int | None = None
    elapsed: float | None = None

    @cached_property
    def _began(self) -> float:
        """The time of the first use, minus the seconds of evaluations in earlier processes."""
        return self.run.clock.monotonic() - self.recorded_seconds()

    @property
    def of_tree(self) -> int:
        """The number of the evaluation among those of its tree, as the ledger has it."""
        for entry in self.results.ledger.entries(self.evaluation_id.run_id):
            is_begin = entry.kind == LineKind.EVALUATION_BEGUN
            if is_begin and entry.data["evaluation"] == self.evaluation_id.number:
                fields = Fields(entry.data, f"ledger: {entry.kind}")
                return fields.number(OF_TREE) if fields.has(OF_TREE) else 1
        return 1

    def recorded_seconds(self) -> float:
        """Return the seconds of evaluations that the journal knows."""
        seconds = 0.0
        for event in events_of(self.run.directory.events, _TIMED):
            match event.data.get(PROGRESS):
                case {"seconds": int() | float() as recorded}:
                    seconds = recorded
                case _:
                    # A trial that was cut by a crash, or a record of an earlier version.
                    pass
        return seconds

    def seconds(self) -> float:
        """Return the seconds that the evaluations of the run took so far, in all processes.

        The first call starts the time of this process.
        """
        return self.run.clock.monotonic() - self._began if self.elapsed is None else self.elapsed

    def started(self, key: TrialKey) -> None:
        """Record the start of a trial."""
        self._write(STARTED, self._covered(key))

    def troubled(self, key: TrialKey, error: TrialTrouble) -> None:
        """Record trouble without the text of the error, which may contain words of a holdout."""
        ends: JsonObject = {ENDS_EVALUATION: True} if error.ends_evaluation else {}
        self._write(TROUBLED, {**self._covered(key), **error.trouble.to_record(), **ends})

    def completed(self, result: TrialResult, progress: Progress | None = None) -> None:
        """Store and record the result of a trial; pin a failed trial in the ledger."""
        if result.kept:
            self.results.keep(self.evaluation_id, result, now=self.run.clock.now())
        record = self.results.store(self.evaluation_id, result)
        # A line is recorded again if the process died in between.
        if not (result.satisfied or result.no_result) and (
            self.line is None or record not in self.results.failed(self.evaluation_id)
        ):
            self.results.pin_failed(self.evaluation_id, result, now=self.run.clock.now())
        seconds = round(self.seconds(), 3)
        more: JsonObject = (
            {PROGRESS: {**progress.to_record(), "seconds": seconds}} if progress else {}
        )
        self._write(_KINDS[result.no_result], {**record, **more})
        if not result.kept:
            self.results.forget(self.evaluation_id, result.key)

    def setup_started(self) -> None:
        """Record the start of the suite's setup."""
        self._write(SETUP_STARTED, {})

    def setup_starts(self) -> int:
        """Return how often the setup of the suite was started in this evaluation."""
        return sum(1 for _ in self._events((SETUP_STARTED,)))

    def setup_completed(self, setup: SetupResult) -> None:
        """Record the result of the suite's setup."""
        record = self.results.setup_record(self.evaluation_id, setup)
        progress: dict[str, Json] = {"seconds": round(self.seconds(), 3)}
        self._write(SETUP_COMPLETED, {**record, PROGRESS: progress})

    def setup(self) -> SetupResult | None:
        """Return the verified result of the suite's setup in this evaluation, or None.

        On other machines, each process executes it: the first failure counts.
        """
        setup = None
        for event in self._events((SETUP_COMPLETED,)):
            setup = read_fields(SetupResult, event.data)
            if event.data["seal"] != self.results.setup_record(self.evaluation_id, setup)["seal"]:
                raise VerificationError(
                    f"changed result of the suite's setup in {self.run.directory.events}",
                    hint="the journal cannot be trusted: start a new run",
                )
            if setup.failure:
                break
        return setup

    def times_sent(self) -> int:
        """Return how often missing trials were sent to another machine."""
        return sum(1 for _ in self._events((SENT,)))

    def recorded_lines(self) -> int:
        """Return how many lines about the trials that were sent last are recorded."""
        lines = 0
        for event in self._events((SENT, *_OF_LINES)):
            if event.type == SENT:
                lines = 0
            elif isinstance(line := event.data.get(LINE), int):
                lines = line + 1
        return lines

    def fleet(self) -> str:
        """Return the id of the fleet whose machines got missing trials last, or ""."""
        return next((str(event.data["fleet"]) for event in [*self._events((SENT,))][-1:]), "")

    def send(self, name: str, fleet: str) -> None:
        """Record that missing trials are about to be sent to a machine of a fleet, under a name."""
        self._write(SENT, {"name": name, "fleet": fleet})

    def replay(self, cut: Collection[TrialKey], order: JsonObject) -> None:
        """Record a person's order to play cut trials again, in the ledger and in the journal."""
        trials: list[Json] = [dict(self._covered(key)) for key in cut]
        data: JsonObject = {"evaluation": self.evaluation_id.number, **order, "trials": trials}
        run_id, now = self.evaluation_id.run_id, self.run.clock.now()
        self.results.ledger.append(LineKind.TRIALS_REPLAYED, run_id, data, now=now)
        self._write(REPLAYED, data)

    def can_replay(self, result: TrialResult) -> bool:
        """Return whether a trial was cut, and never played again by a person's order."""
        return self.results.can_replay(self.evaluation_id, result)

    def earlier(self, suite: Suite) -> EarlierTrials:
        """Return the verified records of this evaluation from before a crash.

        Record the trials that were running at that moment as cut.
        """
        stored = {self._name(trial.key): trial for trial in self.results.all_of(self.evaluation_id)}
        ended = {name: trial for name, trial in stored.items() if not trial.no_result}
        self._pin_failed(ended)
        self._require_replays()
        last, troubles = self._recorded()
        for name, event in last.items():
            if event.type == COMPLETED and not self._is_recorded(ended.get(name), event):
                raise VerificationError(
                    f"missing or changed result of a trial in {self.run.directory.events}",
                    hint="the journal cannot be trusted: start a new run",
                )
        results: dict[TrialKey, TrialResult] = {}
        for key in trial_keys(suite):
            name = self._name(key)
            kind = last[name].type if name in last else ""
            if name in ended:
                results[key] = ended[name]
                if kind != COMPLETED:
                    # The process died between storing and recording.
                    record = self.results.public_record(self.evaluation_id, ended[name])
                    self._write(COMPLETED, record)
                    self.results.forget(self.evaluation_id, key)
            elif kind in (STARTED, CUT, UNJUDGED):
                seed = seeded_suite(suite, self.of_tree).settings.trials.seed
                cut = cut_trial(key, CRASHED, seed)
                results[key] = self._with_kept(stored.get(name, cut))
                if kind == STARTED:
                    self.completed(results[key])
        waiting = {key: tuple(troubles.get(self._name(key), ())) for key in trial_keys(suite)}
        return EarlierTrials(results, waiting)

    def _with_kept(self, result: TrialResult) -> TrialResult:
        if result.no_result is not NoResult.UNJUDGED:
            return result
        return replace(result, kept=self.results.kept(self.evaluation_id, result.key))

    def _pin_failed(self, ended: Mapping[_Name, TrialResult]) -> None:
        """Pin failed trials that the process died before pinning."""
        failed = self.results.failed(self.evaluation_id)
        pinned = {(trial["scenario"], trial["trial"]) for trial in failed}
        for name, result in ended.items():
            if not result.satisfied and name not in pinned:
                self.results.pin_failed(self.evaluation_id, result, now=self.run.clock.now())

    def _recorded(self) -> tuple[Mapping[_Name, Event], Mapping[_Name, list[Trouble]]]:
        """Return the last event of each trial, and the troubles since it was played first."""
        last: dict[_Name, Event] = {}
        troubles: dict[_Name, list[Trouble]] = {}
        for event in self._events((STARTED, TROUBLED, CUT, UNJUDGED, COMPLETED, REPLAYED)):
            if event.type == REPLAYED:
                for name in _trials(event.data):
                    last[name] = event
                    troubles.pop(name, None)
                continue
            last[_name_in(event)] = event
            if event.type == TROUBLED and ENDS_EVALUATION not in event.data:
                # Older versions recorded no reason.
                trouble = Trouble.from_record({"reason": "No reason was recorded", **event.data})
                troubles.setdefault(_name_in(event), []).append(trouble)
        return last, troubles

    def _require_replays(self) -> None:
        """Refuse orders that the ledger lacks; add an order that the process died before adding."""
        ordered = self.results.replays(self.evaluation_id)
        recorded = [event.data for event in self._events((REPLAYED,))]
        if recorded != ordered[: len(recorded)]:
            raise VerificationError(
                f"unknown order to play trials again in {self.run.directory.events}",
                hint="the journal cannot be trusted: start a new run",
            )
        for order in ordered[len(recorded) :]:
            self._write(REPLAYED, order)

    def _covered(self, key: TrialKey) -> JsonObject:
        return {"scenario": self.results.opaque_name(key.scenario), "trial": key.number}

    def _name(self, key: TrialKey) -> _Name:
        return self.results.opaque_name(key.scenario), key.number

    def _is_recorded(self, result: TrialResult | None, event: Event) -> bool:
        """Return whether an event is the record of a stored result."""
        own = (PROGRESS, LINE)
        data = {name: value for name, value in event.data.items() if name not in own}
        return result is not None and data == {
            "evaluation": self.evaluation_id.number,
            **self.results.public_record(self.evaluation_id, result),
        }

    def _write(self, kind: str, data: JsonObject) -> None:
        line: JsonObject = {} if self.line is None else {LINE: self.line}
        evaluation = self.evaluation_id.number
        self.run.emit(kind, {"evaluation": evaluation, **data, **line}, sync=True)

    def _events(self, kinds: Collection[str]) -> Iterator[Event]:
        for event in events_of(self.run.directory.events, kinds):
            if event.data.get("evaluation") == self.evaluation_id.number:
                yield event


def _name_in(event: Event) -> _Name:
    return event.data.get("scenario"), event.data.get("trial")


def _trials(order: Mapping[str, Json]) -> list[_Name]:
    """Return the trials that an order names."""
    named = order.get("trials")
    trials = (
        [trial for trial in named if isinstance(trial, dict)] if isinstance(named, list) else []
    )
    return [(trial.get("scenario"), trial.get("trial")) for trial in trials]

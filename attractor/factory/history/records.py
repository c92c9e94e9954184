"""The records of evaluations and decisions in the ledger.

The lines about a decision are also copied to the run directory, and ledger and copies are compared
before use: a ledger that was restored from an old backup verifies, but the copies show the missing
lines. An aborted evaluation counts with its finished trials, so that a new run with the same tree
cannot hide failed trials.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_fields
from attractor.engine.outcome import Usage
from attractor.engine.run_folder.layout import promises_from_record, promises_to_record
from attractor.engine.state.run_state import APPROVED, REJECTED
from attractor.engine.storage.json_files import Fields
from attractor.environments.environment import Promises
from attractor.factory.candidate_run import CandidateRun
from attractor.factory.errors import DecisionsDiffer
from attractor.factory.gate_records import (
    NOTHING_CARRIED,
    CarriedPaths,
    EvaluationRecord,
    Replay,
    Waiver,
)
from attractor.factory.history.trials import OF_TREE, EvaluationId, TrialStore
from attractor.factory.ledger.ledger import COPIED, Ledger, LedgerEntry, LineKind
from attractor.factory.races import races_in
from attractor.scenarios.evaluation import TrialKey, TrialResult, Trouble, troubles_of
from attractor.scenarios.findings import ChangeReading
from attractor.scenarios.suite_setup import SetupResult

DECISIONS_FILE = "decisions.jsonl"


def entry_record(entry: LedgerEntry) -> dict[str, Json]:
    """Return a line of the ledger as a JSON object."""
    return {"run_id": entry.run_id, "hash": entry.head.hash, **entry.data}


def find_decision(ledger: Ledger, run: CandidateRun) -> LedgerEntry | None:
    """Return the decision on a run, or None, and complete the copies in the run directory.

    Any other difference between ledger and copies is refused.
    """
    records = [one for one in ledger.entries(run.run_id) if one.kind in COPIED]
    decided = [record for record in records if record.kind == LineKind.DECIDED]
    file = run.directory.root / DECISIONS_FILE
    wanted = [record.line.encode() for record in records]
    kept = [line.content for line in read_lines(file)] if file.exists() else []
    if kept != wanted[: len(kept)]:
        raise DecisionsDiffer(f"{file} contains lines that {ledger.file} lacks")
    if not decided and run.state.status in (APPROVED, REJECTED):
        raise DecisionsDiffer(
            f"{ledger.file} lacks the decision of a run that is {run.state.status}"
        )
    for entry in records[len(kept) :]:
        copy_to_run(run.directory.root, entry)
    return decided[0] if decided else None


def copy_to_run(root: Path, entry: LedgerEntry) -> None:
    """Copy a line about a decision to the run directory."""
    with Journal.open(root / DECISIONS_FILE) as journal:
        journal.append(entry.line)


def waivers_of(entries: Iterable[LedgerEntry], scenarios: Mapping[str, str]) -> tuple[Waiver, ...]:
    """Return the waivers in lines of a run and corrections of the clock, oldest first.

    `scenarios` are the scenarios by their opaque names.
    """
    found: list[Waiver] = []
    for entry in entries:
        fields = _fields(entry)
        if entry.kind == LineKind.CLOCK_CORRECTED:
            # A corrected clock does not revive a waiver that expired by the latest time recorded.
            found = [waiver for waiver in found if waiver.expires > fields.time("ahead")]
        elif entry.kind == LineKind.WAIVED and fields.text("scenario") in scenarios:
            scenario = scenarios[fields.text("scenario")]
            found.append(Waiver(scenario, fields.time("expires")))
    return tuple(found)


def marked_defects(entries: Iterable[LedgerEntry]) -> Mapping[str, str]:
    """Return the defects of approved runs by run id, without those that were withdrawn."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.kind != LineKind.AMENDED:
            continue
        fields = _fields(entry)
        if fields.has("defect"):
            found[entry.run_id] = fields.text("defect")
        elif fields.has("no_defect"):
            found.pop(entry.run_id, None)
    return found


def leaks_of(entries: Iterable[LedgerEntry]) -> tuple[str, ...]:
    """Return the places of a run where the canary of its suite was found."""
    found = [entry for entry in entries if entry.kind == LineKind.LEAKED]
    return tuple(place for one in found for place in _fields(one).texts("places"))


@dataclass(frozen=True)
class RemovedTask:
    """What is left of an old run of an actor that `gc` removed: its cost, and how it was guarded.

    Without a `dimension`, no suite can judge its files any more.
    """

    actor: str
    dimension: str
    promises: Promises
    cost_usd: float
    unpriced_tokens: int = 0

    @property
    def usage(self) -> Usage:
        """The cost, and the tokens whose cost is unknown."""
        return Usage(cost_usd=self.cost_usd, unpriced_tokens=self.unpriced_tokens)


def removed_tasks(entries: Iterable[LedgerEntry]) -> Mapping[str, RemovedTask]:
    """Return the removed runs of actors by their ids."""
    found = [entry for entry in entries if entry.kind == LineKind.TASK_REMOVED]
    return {entry.run_id: read_record(RemovedTask, entry.data) for entry in found}


UNSEARCHED = "unsearched"
"""The member of a final record with the reason why the run was not searched for holdouts."""


def unsearched_of(entries: Iterable[LedgerEntry]) -> str:
    """Return the reason why a run ended without a search for holdouts, or ""."""
    ends = [_fields(entry) for entry in entries if entry.kind == LineKind.ENDED]
    return "".join(end.text(UNSEARCHED) for end in ends if end.has(UNSEARCHED))


@dataclass(frozen=True)
class EvaluationStart:
    """The start of an evaluation: suite, promises, protected and carried paths.

    It has the number `of_tree` among the evaluations of the tree with the suite. `base` is the tree
    before the change, if scenarios need it. At its end it has
    the result of the suite's setup, if that was executed once, and the reading of the change, if
    the suite has a judge.
    """

    evaluation_id: EvaluationId
    suite_seal: str
    promises: Promises
    protected_paths: tuple[str, ...] = ()
    carried: CarriedPaths = NOTHING_CARRIED
    setup: SetupResult | None = None
    reading: ChangeReading | None = None
    specification: tuple[str, ...] = ()
    of_tree: int = 1
    base: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the data of a ledger line."""
        return {
            "evaluation": self.evaluation_id.number,
            "tree": self.evaluation_id.tree,
            "suite_seal": self.suite_seal,
            "promises": promises_to_record(self.promises),
            "protected_paths": list(self.protected_paths),
            **({"carried": write_fields(self.carried)} if self.carried.paths else {}),
            **({"setup": write_fields(self.setup)} if self.setup else {}),
            **({"reading": write_fields(self.reading)} if self.reading else {}),
            **({"specification": list(self.specification)} if self.specification else {}),
            **({OF_TREE: self.of_tree} if self.of_tree > 1 else {}),
            **({"base": self.base} if self.base else {}),
        }


def replays_of(entries: Iterable[LedgerEntry], tree: str, suite_seal: str) -> tuple[Replay, ...]:
    """Return the orders of persons to play cut trials of a tree with a suite again."""
    return tuple(
        Replay(len(fields.items("trials")), fields.text("by"), fields.text("rationale"))
        for entry in entries
        if entry.kind == LineKind.TRIALS_REPLAYED
        and (entry.data["tree"], entry.data["suite_seal"]) == (tree, suite_seal)
        for fields in [_fields(entry)]
    )


def evaluated_to_record(
    begun: EvaluationStart, trials: Sequence[JsonObject], head: str
) -> dict[str, Json]:
    """Return the data of the ledger line for a finished evaluation, with all trial seals."""
    return {
        **begun.to_record(),
        "trials": [dict(trial) for trial in trials],
        "journal_head": head,
    }


@dataclass(frozen=True)
class EvaluationPool:
    """The evaluations in the ledger, with the results of their trials."""

    entries: Sequence[LedgerEntry]
    results: TrialStore

    def carried_paths(self, evaluation_id: EvaluationId) -> CarriedPaths | None:
        """Return the carried paths of an evaluation as last recorded; None before its start."""
        last = (one for one in self._last() if _evaluation_id(one) == evaluation_id)
        return next((_carried(_fields(one)) for one in last), None)

    def of_run(self, run_id: str) -> list[EvaluationRecord]:
        """Return the evaluations of a run, without those that did not end."""
        last = [one for one in self._last() if one.run_id == run_id]
        return [self._read(one) for one in last if one.kind != LineKind.EVALUATION_BEGUN]

    def all_of_run(self, run_id: str) -> list[EvaluationRecord]:
        """Return the evaluations of a run, also those that did not end."""
        return [self._read(one) for one in self._last() if one.run_id == run_id]

    def _last(self) -> Iterable[LedgerEntry]:
        """Return the last line about each evaluation, in the order of their begin."""
        kinds = (LineKind.EVALUATION_BEGUN, LineKind.UNFINISHED, LineKind.EVALUATED)
        return {_evaluation_id(one): one for one in self.entries if one.kind in kinds}.values()

    def of_suite(self, suite_seal: str, run_ids: Collection[str]) -> dict[str, list[TrialResult]]:
        """Return the trials of finished evaluations with a version of a suite, by run."""
        found: dict[str, list[TrialResult]] = {}
        for entry in self.entries:
            is_wanted = entry.kind == LineKind.EVALUATED and entry.run_id in run_ids
            if is_wanted and entry.data["suite_seal"] == suite_seal:
                found.setdefault(entry.run_id, []).extend(self._read(entry).results)
        return found

    def attempts(self, suite_seal: str, tree: str, run_ids: Sequence[str] = ()) -> int:
        """Return the number of a tree among the trees evaluated with a version of a suite, from 1.

        Trees that were evaluated later do not change it. A race counts with all its attempts when
        it begins. `run_ids` are the run that made the tree, and those before its restarts.
        """
        count, by_tree, by_run = 0, dict[str, int](), dict[str, int]()
        for entry in self.entries:
            if entry.kind == LineKind.RACE_BEGUN:
                [race] = races_in([entry])
                if race.suite_seal == suite_seal:
                    count += len(race.attempts)
                    by_run |= dict.fromkeys(race.run_ids, count)
            elif entry.kind == LineKind.EVALUATION_BEGUN and entry.data["suite_seal"] == suite_seal:
                evaluated = str(entry.data["tree"])
                if evaluated not in by_tree:
                    count += entry.run_id not in by_run
                    by_tree[evaluated] = by_run.get(entry.run_id, count)
        known = [by_run[run_id] for run_id in run_ids if run_id in by_run]
        known += [by_tree[tree]] if tree in by_tree else []
        return min(known, default=count + 1)

    def next_of_tree(self, suite_seal: str, tree: str) -> int:
        """Return the number of a further evaluation of a tree with a version of a suite."""
        begun = [one.data for one in self.entries if one.kind == LineKind.EVALUATION_BEGUN]
        judged = (tree, suite_seal)
        return 1 + sum((one["tree"], one["suite_seal"]) == judged for one in begun)

    def troubles(self, suite_seal: str) -> list[Trouble]:
        """Return the troubles in the trials of finished evaluations with a version of a suite."""
        return [
            trouble
            for entry in self.entries
            if entry.kind == LineKind.EVALUATED and entry.data["suite_seal"] == suite_seal
            for trial in _trials(_fields(entry))
            for trouble in troubles_of(trial)
        ]

    def by_other_runs(
        self, run_id: str, tree: str, suite_seal: str, base: str = ""
    ) -> list[EvaluationRecord]:
        """Return evaluations of the same tree with the same suite in other runs.

        If the suite compares with the tree `base` before the change, that is the same too. Leave
        out a canceled evaluation of which no trial began: it has revealed nothing.
        """
        canceled = {entry.run_id for entry in self.entries if entry.kind == LineKind.ENDED}
        return [
            record
            for one in self._last()
            if one.run_id != run_id
            and (one.data["tree"], one.data["suite_seal"]) == (tree, suite_seal)
            and one.data.get("base", "") == base
            if (record := self._read(one)).results
            or record.is_finished
            or one.run_id not in canceled
        ]

    def _read(self, entry: LedgerEntry) -> EvaluationRecord:
        fields, evaluation_id = _fields(entry), _evaluation_id(entry)
        if entry.kind == LineKind.EVALUATION_BEGUN:
            results = self.results.all_of(evaluation_id)
        else:
            results = [
                self.results.present(evaluation_id, trial)
                if "no_result" in trial
                else self.results.pinned(evaluation_id, trial)
                for trial in _trials(fields)
            ]
        return EvaluationRecord(
            tree=evaluation_id.tree,
            suite_seal=fields.text("suite_seal"),
            promises=promises_from_record(fields.inner("promises")),
            results=tuple(results),
            is_finished=entry.kind == LineKind.EVALUATED,
            # A canceled evaluation left its trials in flight without a result.
            has_ended=entry.kind != LineKind.EVALUATION_BEGUN or entry.run_id in self._final,
            can_replay=any(self.results.can_replay(evaluation_id, one) for one in results),
            is_final=entry.run_id in self._final,
            protected_paths=fields.texts("protected_paths"),
            run_id=entry.run_id,
            carried=_carried(fields),
            setup=fields.inner("setup").whole(SetupResult) if fields.has("setup") else None,
            reading=fields.inner("reading").whole(ChangeReading) if fields.has("reading") else None,
            specification=fields.texts("specification") if fields.has("specification") else (),
        )

    @cached_property
    def _final(self) -> Collection[str]:
        """The runs that were canceled, failed or decided."""
        kinds = (LineKind.ENDED, LineKind.DECIDED)
        return {entry.run_id for entry in self.entries if entry.kind in kinds}


def _evaluation_id(entry: LedgerEntry) -> EvaluationId:
    fields = _fields(entry)
    return EvaluationId(entry.run_id, fields.number("evaluation"), fields.text("tree"))


def _fields(entry: LedgerEntry) -> Fields:
    return Fields(entry.data, f"ledger: {entry.kind}")


def _carried(fields: Fields) -> CarriedPaths:
    return fields.inner("carried").whole(CarriedPaths) if fields.has("carried") else NOTHING_CARRIED


def _trials(fields: Fields) -> list[JsonObject]:
    trials = [one for one in fields.items("trials") if isinstance(one, dict)]
    if len(trials) != len(fields.items("trials")):
        raise VerificationError("corrupt trial in the ledger", hint="restore it from a backup")
    return list[JsonObject](trials)


def last_approved(
    entries: Sequence[LedgerEntry], run_id: str, scenarios: Mapping[str, str]
) -> tuple[EvaluationRecord, ...]:
    """Return the evaluations of the last other approved run of a run's project and pipeline.

    `scenarios` are the scenarios by their opaque names; only trials of these scenarios are
    returned, with their verdicts alone.
    """
    origins = {one.run_id: origin_of(one) for one in entries if one.kind == LineKind.CREATED}
    approved = [
        entry.run_id
        for entry in entries
        if entry.kind == LineKind.DECIDED
        and entry.data["verdict"] == APPROVED.word.value
        and entry.run_id != run_id
        and origins.get(entry.run_id) == origins.get(run_id)
    ]
    return tuple(
        EvaluationRecord(
            tree=_evaluation_id(entry).tree,
            suite_seal=_fields(entry).text("suite_seal"),
            promises=promises_from_record(_fields(entry).inner("promises")),
            results=tuple(
                TrialResult(TrialKey(scenarios[name], 0), trial.flag("satisfied"), (), 0)
                for trial in _fields(entry).inners("trials")
                if (name := trial.text("scenario")) in scenarios
            ),
        )
        for entry in entries
        if entry.kind == LineKind.EVALUATED and entry.run_id in approved[-1:]
    )


def origin_of(created: LedgerEntry) -> tuple[str, str]:
    """Return the project and the name of the pipeline of a run."""
    return str(created.data["project"]), str(created.data["pipeline"]).partition("@")[0]

"""Evaluations in the ledger, pooled over all runs with the same tree.

The ledger has a line for the start and one for the end of an evaluation. An aborted evaluation
counts with its finished trials: a new run with the same tree cannot hide failed ones.
"""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.json import Json, JsonObject
from attractor.engine.run_folder.layout import (
    promises_from_record,
    promises_to_record,
)
from attractor.engine.storage.json_files import Fields
from attractor.environments.environment import Promises
from attractor.factory.gate import EvaluationRecord
from attractor.factory.ledger import LedgerEntry
from attractor.factory.trials import EvaluationId, TrialStore

BEGUN = "evaluation_begun"
EVALUATED = "evaluated"


@dataclass(frozen=True)
class EvaluationStart:
    """The start of an evaluation: its suite, isolation promises and protected paths."""

    evaluation_id: EvaluationId
    suite_seal: str
    promises: Promises
    protected_paths: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Json]:
        """Convert to a line of the ledger."""
        return {
            "evaluation": self.evaluation_id.number,
            "tree": self.evaluation_id.tree,
            "suite_seal": self.suite_seal,
            "promises": promises_to_record(self.promises),
            "protected_paths": list(self.protected_paths),
        }


def evaluated_to_record(
    begun: EvaluationStart, trials: Sequence[JsonObject], head: str
) -> dict[str, Json]:
    """Convert a finished evaluation to a line of the ledger, with the seals of all trials."""
    return {
        **begun.to_record(),
        "trials": [dict(trial) for trial in trials],
        "journal_head": head,
    }


@dataclass(frozen=True)
class EvaluationPool:
    """The evaluations in the ledger, with their results."""

    entries: Sequence[LedgerEntry]
    results: TrialStore

    def finished(self, run_id: str) -> list[LedgerEntry]:
        """Return the lines of finished evaluations of a run, oldest first."""
        return [one for one in self.entries if one.kind == EVALUATED and one.run_id == run_id]

    def has_begun(self, evaluation_id: EvaluationId) -> bool:
        """Return whether the start of an evaluation is recorded."""
        return any(one.kind == BEGUN and _sitting(one) == evaluation_id for one in self.entries)

    def of_run(self, run_id: str) -> list[EvaluationRecord]:
        """Return the finished evaluations of a run."""
        return [self._read(one) for one in self.finished(run_id)]

    def by_other_runs(self, run_id: str, tree: str, suite_seal: str) -> list[EvaluationRecord]:
        """Return evaluations of the same tree with the same suite in other runs."""
        of_tree = [
            one
            for one in self.entries
            if one.kind in (BEGUN, EVALUATED)
            and one.run_id != run_id
            and (one.data["tree"], one.data["suite_seal"]) == (tree, suite_seal)
        ]
        finished = {_sitting(one) for one in of_tree if one.kind == EVALUATED}
        return [
            self._read(one)
            for one in of_tree
            if one.kind == EVALUATED or _sitting(one) not in finished
        ]

    def _read(self, entry: LedgerEntry) -> EvaluationRecord:
        fields, evaluation_id = _fields(entry), _sitting(entry)
        if entry.kind == EVALUATED:
            results = [self.results.pinned(evaluation_id, one) for one in _trials(fields)]
        else:
            results = self.results.all_of(evaluation_id)
        return EvaluationRecord(
            tree=evaluation_id.tree,
            suite_seal=fields.text("suite_seal"),
            promises=promises_from_record(fields.inner("promises")),
            results=tuple(results),
            is_finished=entry.kind == EVALUATED,
            protected_paths=_protected(fields),
        )


def _sitting(entry: LedgerEntry) -> EvaluationId:
    fields = _fields(entry)
    return EvaluationId(entry.run_id, fields.number("evaluation"), fields.text("tree"))


def _protected(fields: Fields) -> tuple[str, ...]:
    return fields.texts("protected_paths")


def _fields(entry: LedgerEntry) -> Fields:
    return Fields(entry.data, f"ledger: {entry.kind}")


def _trials(fields: Fields) -> list[JsonObject]:
    trials = [one for one in fields.items("trials") if isinstance(one, dict)]
    if len(trials) != len(fields.items("trials")):
        raise VerificationError("corrupt trial in the ledger", hint="restore it from a backup")
    return list[JsonObject](trials)

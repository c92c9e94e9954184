"""Evaluations as the ledger keeps them, pooled over every run that came to the same tree.

When an evaluation begins it gets a line, and another one when it is through. One that was given up
in between still counts with the trials that it finished: whoever starts another run on the same
tree does not get rid of a red one.
"""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken
from attractor.base.json import Json, JsonObject
from attractor.engine.json_files import Fields
from attractor.engine.run_folder.layout import promises_from_record, promises_to_record
from attractor.environments.environment import Promises
from attractor.factory.gate import Evaluated
from attractor.factory.ledger import Entry
from attractor.factory.results import Results, Sitting

BEGUN = "evaluation_begun"
EVALUATED = "evaluated"


@dataclass(frozen=True)
class Begun:
    """An evaluation that begins: whose, by which suite, what is guarded, and what it touched."""

    sitting: Sitting
    suite_seal: str
    promises: Promises
    protected_paths: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Json]:
        """Return it as the ledger keeps it."""
        return {
            "evaluation": self.sitting.number,
            "tree": self.sitting.tree,
            "suite_seal": self.suite_seal,
            "promises": promises_to_record(self.promises),
            "protected_paths": list(self.protected_paths),
        }


def evaluated_to_record(begun: Begun, told: Sequence[JsonObject], head: str) -> dict[str, Json]:
    """Return an evaluation that is through: what pins every trial, and the head of the journal."""
    return {
        **begun.to_record(),
        "trials": [dict(one) for one in told],
        "journal_head": head,
    }


@dataclass(frozen=True)
class Pool:
    """What the ledger knows of evaluations, with the results that they rest on."""

    entries: Sequence[Entry]
    results: Results

    def finished(self, run_id: str) -> list[Entry]:
        """Return the lines of a run's evaluations that are through, oldest first."""
        return [one for one in self.entries if one.kind == EVALUATED and one.run_id == run_id]

    def has_begun(self, sitting: Sitting) -> bool:
        """Tell whether an evaluation has its first line already."""
        return any(one.kind == BEGUN and _sitting(one) == sitting for one in self.entries)

    def of_run(self, run_id: str) -> list[Evaluated]:
        """Return the evaluations of a run that are through."""
        return [self._read(one) for one in self.finished(run_id)]

    def of_others(self, run_id: str, tree: str, suite_seal: str) -> list[Evaluated]:
        """Return what other runs found out about the same tree by the same suite."""
        of_tree = [
            one
            for one in self.entries
            if one.kind in (BEGUN, EVALUATED)
            and one.run_id != run_id
            and (one.data["tree"], one.data["suite_seal"]) == (tree, suite_seal)
        ]
        through = {_sitting(one) for one in of_tree if one.kind == EVALUATED}
        return [
            self._read(one)
            for one in of_tree
            if one.kind == EVALUATED or _sitting(one) not in through
        ]

    def _read(self, entry: Entry) -> Evaluated:
        fields, sitting = _fields(entry), _sitting(entry)
        if entry.kind == EVALUATED:
            results = [self.results.pinned(sitting, one) for one in _trials(fields)]
        else:
            results = self.results.all_of(sitting)
        return Evaluated(
            tree=sitting.tree,
            suite_seal=fields.text("suite_seal"),
            promises=promises_from_record(fields.inner("promises")),
            results=tuple(results),
            is_through=entry.kind == EVALUATED,
            protected_paths=_protected(fields),
        )


def _sitting(entry: Entry) -> Sitting:
    fields = _fields(entry)
    return Sitting(entry.run_id, fields.number("evaluation"), fields.text("tree"))


def _protected(fields: Fields) -> tuple[str, ...]:
    # Lines from before there was the rule do not have it.
    return fields.texts("protected_paths") if "protected_paths" in fields.all() else ()


def _fields(entry: Entry) -> Fields:
    return Fields(entry.data, f"ledger: {entry.kind}")


def _trials(fields: Fields) -> list[JsonObject]:
    trials = [one for one in fields.items("trials") if isinstance(one, dict)]
    if len(trials) != len(fields.items("trials")):
        raise Broken("ledger: a trial is not one", hint="bring it back from a copy")
    return list[JsonObject](trials)

"""The counts of wrong solutions and left-out changes that a suite noticed, in a line of the ledger.

They contain no names: every reader of the ledger gets them.
"""

from collections.abc import Iterable

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import read_record, write_record
from attractor.factory.ledger.ledger import LedgerEntry, LineKind

NOT_MEASURED = "not measured"
STRENGTHEN = (
    "add wrong solutions to the suite if it has too few, then: attractor suite register FOLDER"
)


@dataclass(frozen=True)
class SuiteFigures:
    """The counts of a suite (`seal`), measured on a commit by a version of Attractor.

    `wrong` are the wrong solutions that count, and `noticed` those that a holdout noticed,
    `elsewhere` of them by none in `noticed_by`. `silent` ones say nothing, and do not count.
    `changes` are the changes of references that were left out.
    """

    project: str
    seal: str
    attractor: str
    commit: str
    wrong: int
    noticed: int
    elsewhere: int
    silent: int
    changes: int
    changes_noticed: int

    def to_record(self) -> dict[str, Json]:
        """Return the data of the ledger line."""
        return write_record(self)

    def __str__(self) -> str:
        changes = number_of(self.changes, "change")
        return (
            f"{self.noticed} of {number_of(self.wrong, 'wrong solution')} noticed, "
            f"{self.changes_noticed} of {changes} left out noticed by their scenario"
        )


def figures_in(entries: Iterable[LedgerEntry], project: str, seal: str) -> SuiteFigures | None:
    """Return the latest figures of a suite in a project, or None if it was not measured."""
    found = [
        read_record(SuiteFigures, entry.data)
        for entry in entries
        if entry.kind == LineKind.SUITE_MEASURED
        and (entry.data["project"], entry.data["seal"]) == (project, seal)
    ]
    return found[-1] if found else None


def weakness(figures: SuiteFigures | None, wanted: int) -> str:
    """Return why a suite noticed fewer wrong solutions than a profile wants, or ""."""
    if figures is None:
        return f"the suite was {NOT_MEASURED} with wrong solutions, {wanted} must be noticed"
    if figures.noticed < wanted:
        count = number_of(figures.noticed, "wrong solution")
        return f"the suite noticed {count}, {wanted} must be noticed"
    return ""

"""Figures over the decisions of persons: how fast they were, by whom, and how many were wrong.

The figures are for information, except for the share of wrong approvals: see `window`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from statistics import median

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.storage.json_files import Fields
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.records import marked_defects
from attractor.factory.ledger.ledger import LedgerEntry, LineKind
from attractor.factory.project import created_runs

FEWEST = 5
"""Of fewer values, no median and no share is told."""

HASTY_S = 10.0
"""A decision in less time than this was made without a look at the result."""


@dataclass(frozen=True)
class DecisionFacts:
    """A decision, and what followed from it.

    `seconds` are those since the last evaluation ended, and `shown_s` those since the person was
    first shown the page; None where nothing measured them. `answers` say whether the person agreed
    with findings of the reader of the change.
    """

    verdict: str
    by: str
    proof: str
    seconds: float | None
    shown_s: float | None
    waivers: int
    is_rolled_back: bool
    is_marked: bool
    answers: Sequence[bool] = ()

    @property
    def is_approval(self) -> bool:
        """Whether the run was approved."""
        return self.verdict == DecisionKind.APPROVED


@dataclass(frozen=True)
class Spread:
    """How many values were measured, their median, the value that 90 % of them do not exceed, and
    the share of hasty ones.
    """

    measured: int = 0
    median_s: float | None = None
    p90_s: float | None = None
    hasty: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread":
        """Return the spread of the values that were measured."""
        found = sorted(value for value in values if value is not None)
        count = len(found)
        if count < FEWEST:
            return cls(count)
        hasty = sum(value < HASTY_S for value in found) / count
        return cls(count, median(found), found[ceil(0.9 * count) - 1], hasty)


@dataclass(frozen=True)
class DecisionFigures:
    """The figures over some decisions."""

    decisions: Sequence[DecisionFacts]

    @property
    def approved(self) -> int:
        """The number of approved runs."""
        return sum(one.is_approval for one in self.decisions)

    @property
    def waivers(self) -> int:
        """The number of failed scenarios that were waived for these runs."""
        return sum(one.waivers for one in self.decisions)

    @property
    def rolled_back(self) -> int:
        """The number of approved runs whose promotion was reverted."""
        return sum(one.is_rolled_back for one in self.decisions)

    @property
    def false_go(self) -> int:
        """The number of approved runs that are marked as wrong."""
        return sum(one.is_marked for one in self.decisions)

    @property
    def answers(self) -> Sequence[bool]:
        """Whether persons agreed with each finding that they answered."""
        return [agreed for one in self.decisions for agreed in one.answers]

    @property
    def persons(self) -> Mapping[tuple[str, str], int]:
        """The number of decisions by person and proof, the most frequent first."""
        return dict(Counter((one.by, one.proof) for one in self.decisions).most_common())

    @property
    def since_evaluated(self) -> Spread:
        """The time from the end of the last evaluation to the decision."""
        return Spread.of(one.seconds for one in self.decisions)

    @property
    def since_shown(self) -> Spread:
        """The time from the first sight of the page to the decision."""
        return Spread.of(one.shown_s for one in self.decisions)

    def to_record(self) -> dict[str, Json]:
        """Return the figures as a JSON object."""
        return {
            "decisions": len(self.decisions),
            "approved": self.approved,
            "rejected": len(self.decisions) - self.approved,
            "waivers": self.waivers,
            "rolled_back": self.rolled_back,
            "false_go": self.false_go,
            "findings": {"answered": len(self.answers), "agreed": sum(self.answers)},
            "persons": [
                {"by": by, "proof": proof, "decisions": count}
                for (by, proof), count in self.persons.items()
            ],
            "since_evaluated": {**vars(self.since_evaluated)},
            "since_shown": {**vars(self.since_shown)},
        }


def read_decisions(
    entries: Sequence[LedgerEntry], project: str, since: datetime
) -> DecisionFigures:
    """Return the figures over the decisions of a project since a time, from verified lines."""
    ours, marked = created_runs(entries, project), marked_defects(entries)
    lines: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        if entry.run_id in ours:
            lines.setdefault(entry.run_id, []).append(entry)
    return DecisionFigures(
        [
            _facts_of(one, lines[one.run_id], is_marked=one.run_id in marked)
            for one in entries
            if one.kind == LineKind.DECIDED and one.run_id in ours and one.when >= since
        ]
    )


def _facts_of(
    decided: LedgerEntry, lines: Sequence[LedgerEntry], *, is_marked: bool
) -> DecisionFacts:
    """Return the facts of a decision; `lines` are those of its run, oldest first."""
    fields = Fields(decided.data, f"ledger: {decided.kind}")
    before = lines[: lines.index(decided)]
    evaluated = [line.when for line in before if line.kind == LineKind.EVALUATED]
    return DecisionFacts(
        fields.text("verdict"),
        fields.text("by"),
        fields.text("proof"),
        (decided.when - evaluated[-1]).total_seconds() if evaluated else None,
        fields.real("shown_s") if fields.has("shown_s") else None,
        # A waiver may be renewed.
        len({str(line.data["scenario"]) for line in lines if line.kind == LineKind.WAIVED}),
        any(line.kind == LineKind.ROLLED_BACK for line in lines),
        is_marked,
        [one.flag("is_agreed") for one in fields.inners("findings")]
        if fields.has("findings")
        else [],
    )

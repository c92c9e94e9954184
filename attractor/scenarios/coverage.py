"""Which sentences of a specification the scenarios of a suite prove."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.scenarios.requirements import (
    MovedSentence,
    RequirementList,
    folded,
    moved_since,
    sentences_of,
)
from attractor.scenarios.suite import Scenario, Suite


@dataclass(frozen=True)
class SuiteCoverage:
    """What the list of requirements, the scenarios and the specification lack of each other.

    `unproved` are requirements without a holdout, `free` scenarios without a requirement, `moved`
    requirements whose sentence the specification lacks, `unlisted` its sentences that the list
    lacks. Without a specification, the last two are empty.
    """

    requirements: int
    unproved: Sequence[str]
    free: Sequence[str]
    moved: Sequence[MovedSentence]
    unlisted: Sequence[str]
    proofs: Mapping[str, Sequence[str]]

    @property
    def is_whole(self) -> bool:
        """Whether the specification has each sentence of the list, and each has a holdout."""
        return not (self.unproved or self.moved)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {
            "requirements": self.requirements,
            "unproved": list(self.unproved),
            "free_scenarios": list(self.free),
            "moved": [
                {
                    "id": one.id,
                    "sentence": one.sentence,
                    "now": one.now,
                    "scenarios": list(self.proofs.get(one.id, ())),
                }
                for one in self.moved
            ],
            "unlisted": list(self.unlisted),
        }


def proofs_of(scenarios: Sequence[Scenario]) -> dict[str, list[str]]:
    """Return the ids of the scenarios that prove each requirement."""
    proofs: dict[str, list[str]] = {}
    for scenario in scenarios:
        for id_ in scenario.proves:
            proofs.setdefault(id_, []).append(scenario.id)
    return proofs


def coverage_of(suite: Suite, specification: str | None) -> SuiteCoverage:
    """Compare a suite with the specification; None: it is missing."""
    listed = suite.requirements
    held_out = proofs_of(suite.of_split("holdout"))
    return SuiteCoverage(
        requirements=len(listed.requirement),
        unproved=[one.id for one in listed.requirement if one.id not in held_out],
        free=[one.id for one in suite.scenarios if not one.proves],
        moved=moved_since(listed, specification or ""),
        unlisted=[*dict.fromkeys(_unlisted(listed, [*sentences_of(specification or "")]))],
        proofs=proofs_of(suite.scenarios),
    )


def _unlisted(listed: RequirementList, sentences: Sequence[str]) -> Iterator[str]:
    """Yield the sentences of which no requirement contains a part."""
    known = {folded(one.sentence) for one in listed.requirement}
    # A comparison of all pairs would take minutes for a specification of a megabyte.
    text, end = " ".join(sentences), 0
    is_listed = bytearray(len(text))
    for one in known:
        if (at := text.find(one)) >= 0:
            is_listed[at : at + len(one)] = b"1" * len(one)
    for one in sentences:
        start, end = end, end + len(one) + 1
        if one not in known and not any(is_listed[start:end]):
            yield one


def proved(suite: Suite, passed: Collection[str]) -> set[str]:
    """Return the requirements of which each holdout passed; `passed` are ids of scenarios."""
    held_out = proofs_of(suite.of_split("holdout"))
    return {id_ for id_, scenarios in held_out.items() if all(one in passed for one in scenarios)}


def told_to_agents(suite: Suite, passed: Collection[str], fewest: int) -> str:
    """Return how many sentences are proved, of those that `fewest` holdouts prove, or "".

    Of a sentence with fewer holdouts, the count would tell the result of one; and beside the number
    of failed holdouts, it would tell that of a single one that proves no such sentence.
    """
    held_out = proofs_of(suite.of_split("holdout"))
    counted = {id_ for id_, scenarios in held_out.items() if len(scenarios) >= fewest}
    others = [one for one in suite.of_split("holdout") if counted.isdisjoint(one.proves)]
    if len(counted) < fewest or 0 < len(others) < fewest:
        return ""
    done = len(counted & proved(suite, passed))
    return f"{done} of {number_of(len(counted), 'sentence')} proved"

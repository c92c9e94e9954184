"""Checks a proposal by rule: plates, required tests, open questions and the identity."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.growth.development import DevelopmentalSpec
from attractor.growth.identity import find_breaches
from attractor.growth.morph import Morph, type_of
from attractor.growth.plans.plan import PlannedMorph, Proposal
from attractor.growth.spec.graph import SpecGraph

OPEN_QUESTION = "[NEEDS CLARIFICATION:"


class FindingKind(StrEnum):
    """Why a proposal is refused."""

    MORPH = "invalid_morph"
    PLATE = "no_plate"
    TEST = "missing_test"
    QUESTION = "open_question"
    IDENTITY = "identity"


@dataclass(frozen=True)
class Finding:
    """A reason to refuse a proposal, with the remedy."""

    kind: FindingKind
    message: str
    hint: str = ""


@dataclass(frozen=True)
class CheckedProposal:
    """A proposal after its check: the planned morphs, or reasons to refuse it."""

    morphs: tuple[PlannedMorph, ...]
    findings: tuple[Finding, ...]


def check_proposal(
    graph: SpecGraph, proposal: Proposal, development: DevelopmentalSpec
) -> CheckedProposal:
    """Check a proposal; the identity is compared before all morphs and after them."""
    planned: list[PlannedMorph] = []
    findings: list[Finding] = []
    before = graph
    tests = (*proposal.tests, *(one.name for one in graph.of_kind("acceptance_test")))
    for number, morph in enumerate(proposal.morphs, 1):
        place = f"morph {number} ({type_of(morph)})"
        findings += _findings_of(morph, before, development, tests, place)
        plate = development.plate_for(morph)
        planned.append(
            PlannedMorph(
                morph,
                plate.organ if plate else "",
                development.level_of(morph),
                development.risk_of(morph),
            )
        )
        try:
            after = morph.apply(before)
        except AttractorError as cause:
            findings.append(Finding(FindingKind.MORPH, f"{place}: {cause.message}", cause.hint))
            return CheckedProposal(tuple(planned), tuple(findings))
        before = after
    for breach in find_breaches(graph, before, development.identity):
        message = f"{breach.line!r}: {breach.message}"
        findings.append(Finding(FindingKind.IDENTITY, message, "leave the identity as it is"))
    return CheckedProposal(tuple(planned), tuple(findings))


def _findings_of(
    morph: Morph,
    graph: SpecGraph,
    development: DevelopmentalSpec,
    tests: Sequence[str],
    place: str,
) -> Iterator[Finding]:
    if development.plate_for(morph) is None:
        plates = ", ".join(sorted({name for one in development.plates for name in one.accepts}))
        yield Finding(FindingKind.PLATE, f"{place}: no growth plate accepts it", f"types: {plates}")
    for test in development.missing_tests(morph, tests):
        yield Finding(FindingKind.TEST, f"{place}: missing test {test!r}", "add it to `tests`")
    try:
        touched = morph.touched(graph)
    except AttractorError:
        # `apply` fails as well, and is reported.
        return
    for id_ in sorted(touched.reads | touched.writes):
        if id_ in graph and OPEN_QUESTION in str(dict(graph[id_].fields)):
            hint = "answer with 'attractor spec answer'"
            yield Finding(FindingKind.QUESTION, f"{place}: {id_} has an open question", hint)

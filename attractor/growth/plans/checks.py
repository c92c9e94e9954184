"""Checks proposals and plans by rule, and makes plans of the proposals that pass.

A proposal needs plates, required tests and answers to open questions, and keeps the identity. A
stored plan also needs a current base, and no open plan that collides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import count

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import content_hash, texts_in
from attractor.base.records import write_fields
from attractor.engine.truncation import shorten
from attractor.growth.desires import UserDesire
from attractor.growth.development import DEVELOPMENT, DevelopmentalSpec, check_development
from attractor.growth.errors import InvalidDevelopment, PlanRefused
from attractor.growth.evidence import GateChange, find_gate_changes
from attractor.growth.identity import find_breaches
from attractor.growth.morph import Morph, Risk, type_of, write_morph
from attractor.growth.plain_text import faults_of_text, hidden_in
from attractor.growth.plans.collisions import Collision, find_collisions
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, PlannedMorph, Proposal, named
from attractor.growth.specification.clarifications import (
    adds_only_desires,
    clarifications_of,
    questions_of,
)
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.specification.names import faults_of_name

_SHOWN = 80


class FindingKind(StrEnum):
    """Why a proposal is refused."""

    MORPH = "invalid_morph"
    NAME = "invalid_name"
    MISLEADING = "misleading_text"
    PLATE = "no_plate"
    TEST = "missing_test"
    QUESTION = "open_question"
    IDENTITY = "identity"
    STALE = "stale_base"
    DEVELOPMENT = "development"
    TEXT = "changed_text"


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
        one = PlannedMorph(
            morph,
            plate.organ if plate else "",
            development.level_of(morph),
            development.risk_of(morph),
        )
        try:
            after = morph.apply(before)
        except AttractorError as cause:
            findings.append(Finding(FindingKind.MORPH, f"{place}: {cause.message}", cause.hint))
            return CheckedProposal((*planned, one), tuple(findings))
        if gate_changes(graph, before, after, development):
            one = replace(one, risk=Risk.HIGH)
        planned.append(one)
        before = after
    findings += [*_misleading(proposal), *_hidden(graph, before), *_invalid_names(graph, before)]
    for breach in find_breaches(graph, before, development.identity):
        message = f"{breach.line!r}: {breach.message}"
        findings.append(Finding(FindingKind.IDENTITY, message, "leave the identity as it is"))
    try:
        check_development(development, before)
    except InvalidDevelopment as cause:
        hint = f"change {DEVELOPMENT}, or leave the node"
        findings.append(Finding(FindingKind.DEVELOPMENT, cause.message, hint))
    return CheckedProposal(tuple(planned), tuple(findings))


def gate_changes(
    base: SpecGraph, before: SpecGraph, after: SpecGraph, development: DevelopmentalSpec
) -> Sequence[GateChange]:
    """Return what a morph changes for the gates of the base of its plan."""
    targets = development.targets_of_gates
    found = find_gate_changes(before, after, targets)
    return [one for one in found if one.gate in base]


def _misleading(proposal: Proposal) -> Iterator[Finding]:
    """Yield a finding for each text of a proposal that hides something from its reviewer."""
    texts = [(f"morph {number}", one) for number, one in enumerate(proposal.morphs, 1)]
    placed = [(place, text) for place, one in texts for text in texts_in(write_morph(one))]
    for place, text in [*placed, *(("tests", test) for test in proposal.tests)]:
        for fault in faults_of_text(text):
            hint = "write the text again in plain words"
            yield Finding(FindingKind.MISLEADING, f"{place}: {fault}", hint)


def _invalid_names(before: SpecGraph, after: SpecGraph) -> Iterator[Finding]:
    """Yield a finding for each invalid name; a name of the specification stays as it is."""
    for node in after.values():
        if node.id not in before or before[node.id].name != node.name:
            for fault in faults_of_name(node.name):
                message = f"invalid name of the {node.kind} {shorten(node.name, _SHOWN)!r}: {fault}"
                yield Finding(FindingKind.NAME, message, "choose a short name in one script")


def _hidden(before: SpecGraph, after: SpecGraph) -> Iterator[Finding]:
    """Yield a finding for each node with hidden text that a proposal leaves as it is."""
    for node in after.values():
        if node.id in before and before[node.id].fields == node.fields:
            for text in texts_in(dict(node.fields)):
                for fault in hidden_in(text):
                    hint = f'add a morph to this plan: {{"type": "rename", "node": "{node.id}"}}'
                    yield Finding(FindingKind.MISLEADING, f"{node.id}: {fault}", hint)


@dataclass(frozen=True)
class PlanCheck:
    """A stored plan after its check: reasons not to deploy it, and collisions with open plans."""

    findings: tuple[Finding, ...]
    collisions: tuple[Collision, ...]

    @property
    def is_deployable(self) -> bool:
        """Whether the plan has neither findings nor collisions."""
        return not self.findings and not self.collisions


def check_plan(
    plan: Plan,
    development: DevelopmentalSpec,
    head: SpecGraph | None,
    open_plans: Sequence[Plan],
    *,
    changed_text: str = "",
) -> PlanCheck:
    """Check a stored plan again; `head` is the specification in the repository, if there is one.

    `changed_text` says how the description of the plan differs from the one that the plan pins.
    """
    findings: list[Finding] = []
    if changed_text:
        hint = f"drop the plan, and plan again: attractor grow drop {plan.id}"
        findings.append(Finding(FindingKind.TEXT, changed_text, hint))
    findings += find_unclear(plan.base, head)
    checked = check_proposal(plan.base, plan.proposal, development)
    findings += checked.findings
    rebase = f"run 'attractor grow rebase {plan.id}'"
    if head is not None and not adds_only_desires(head, plan.base):
        message = f"the base is {plan.base.spec_hash[:12]}, the app is {head.spec_hash[:12]}"
        findings.append(Finding(FindingKind.STALE, message, rebase))
    if development.hash != plan.development_hash:
        message = f"{DEVELOPMENT} was changed since the plan was made"
        findings.append(Finding(FindingKind.DEVELOPMENT, message, rebase))
    for number, (kept, now) in enumerate(zip(plan.morphs, checked.morphs, strict=False), 1):
        if kept.risk is not now.risk:
            message = f"the rules give morph {number} the risk {now.risk}, not {kept.risk}"
            findings.append(Finding(FindingKind.DEVELOPMENT, message, rebase))
    collisions = find_collisions(plan, open_plans, development.identity)
    return PlanCheck(tuple(findings), tuple(collisions))


def _findings_of(
    morph: Morph,
    graph: SpecGraph,
    development: DevelopmentalSpec,
    tests: Sequence[str],
    place: str,
) -> Iterator[Finding]:
    if development.plate_for(morph) is None:
        plates = ", ".join(sorted({name for plate in development.plates for name in plate.accepts}))
        message = f"{place}: no growth plate accepts it: {_line_to_add(morph, development)}"
        yield Finding(FindingKind.PLATE, message, f"types: {plates}")
    for test in development.missing_tests(morph, tests):
        yield Finding(FindingKind.TEST, f"{place}: missing test {test!r}", "add it to `tests`")
    try:
        touched = morph.touched(graph)
    except AttractorError:
        # `apply` fails as well, and is reported.
        return
    for id_ in sorted(touched.nodes):
        for question in questions_of(graph[id_]) if id_ in graph else ():
            yield _open_question(f"{place}: {id_}", question)


def _line_to_add(morph: Morph, development: DevelopmentalSpec) -> str:
    """Return the line of the developmental specification with which a plate accepts a morph."""
    plates = [*development.plates]
    fits = [one for one in plates if development.organs[one.organ].kind == morph.organ]
    for number, plate in enumerate(plates, 1):
        if plate in (fits or plates)[:1]:
            accepts = ", ".join(f'"{one}"' for one in sorted({*plate.accepts, type_of(morph)}))
            place = f"plate {number} (organ {plate.organ}) of {DEVELOPMENT}"
            return f"write and commit this line in {place}: accepts = [{accepts}]"
    return f"add a plate with {type_of(morph)} to {DEVELOPMENT}, and commit it"


def find_unclear(base: SpecGraph, head: SpecGraph | None) -> Sequence[Finding]:
    """Return the open questions of the nodes that a base adds to an app; a first plan adds all."""
    return [
        _open_question(clarification.node, clarification.question)
        for clarification in clarifications_of(base)
        if head is None
        or (clarification.node not in head and base[clarification.node].kind == "desire")
    ]


def _open_question(place: str, question: str) -> Finding:
    hint = "answer with 'attractor spec answer'"
    return Finding(FindingKind.QUESTION, f"{place} has an open question: {question}", hint)


def make_plan(
    base: SpecGraph,
    proposal: Proposal,
    development: DevelopmentalSpec,
    *,
    head: SpecGraph | None,
    desires: Sequence[UserDesire] = (),
    is_first: bool,
    is_dropped: Callable[[str], bool],
) -> Plan:
    """Return the plan of a proposal, or raise PlanRefused.

    `head` is the specification in the repository of the app, if there is one; `is_first` tells that
    no stage of it was deployed. The same proposal for the same base is the same plan, unless that
    plan was dropped.
    """
    checked = check_proposal(base, proposal, development)
    if findings := [*find_unclear(base, head), *checked.findings]:
        raise refusal(findings)
    plan = Plan(
        "",
        base,
        checked.morphs,
        proposal.tests,
        development.hash,
        tuple(desires),
        is_first=is_first,
    )
    plan = replace(plan, text_hash=content_hash(mutation_text(plan).encode()))
    attempts = (named(replace(plan, attempt=number)) for number in count(1))
    return next(attempt for attempt in attempts if not is_dropped(attempt.id))


def refusal(findings: Sequence[Finding]) -> PlanRefused:
    """Return the error with all reasons to refuse a proposal."""
    lines = [finding.message for finding in findings]
    error = PlanRefused(f"the plan is refused: {'; '.join(lines)}", hint=findings[0].hint)
    error.details = {"findings": [write_fields(finding) for finding in findings]}
    return error

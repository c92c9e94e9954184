"""The identity of an app is frozen for its lineage (growth, G7).

An oracle that shares no code with the check compares identity and guards before and after.
"""

from collections.abc import Sequence

import pytest

from attractor.base.json import Json
from attractor.growth.development import parse_development
from attractor.growth.identity import (
    Binding,
    BreachKind,
    SafetyVerdict,
    coverage,
    find_breaches,
    find_objections,
)
from attractor.growth.morph import Morph, apply_morphs, read_morph
from attractor.growth.plans.checks import FindingKind, check_proposal
from attractor.growth.plans.plan import Proposal
from attractor.growth.specification.files import node_text
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.counts import count
from tests.growth.app import DEVELOPMENT_TEXT
from tests.growth.by_hand import BINDINGS, BY_HAND, FORBIDDEN, FROZEN, LINE, RAIL
from tests.growth.oracle import keeps_identity, plain
from tests.growth.sequences import GATES, GUARDED, random_sequence
from tests.tables import table

DEVELOPMENT = parse_development(DEVELOPMENT_TEXT).model_copy(update={"identity": BINDINGS})


def _oracle(after: SpecGraph) -> bool:
    before, changed = (plain(map(node_text, graph.values())) for graph in (GUARDED, after))
    return keeps_identity(before, changed, GATES, FROZEN, FORBIDDEN)


def _is_refused(morphs: Sequence[Morph]) -> bool:
    """Whether the rules refuse a proposal for the identity; only look-alike names are unlawful."""
    findings = check_proposal(GUARDED, Proposal(tuple(morphs)), DEVELOPMENT).findings
    kinds = {one.kind for one in findings}
    assert kinds <= {FindingKind.IDENTITY, FindingKind.NAME, FindingKind.MISLEADING}, findings
    return FindingKind.IDENTITY in kinds


def test_every_breach_in_random_sequences_is_refused_and_nothing_else() -> None:
    sequences = [random_sequence(seed, GUARDED) for seed in range(count(ci=27, full=200))]
    refused = [_is_refused(one) for one in sequences]
    assert refused == [not _oracle(apply_morphs(GUARDED, one)) for one in sequences]
    assert {True, False} == set(refused)


@pytest.mark.parametrize("name", BY_HAND)
def test_sequences_by_hand(name: str) -> None:
    morphs = [read_morph(one) for one in BY_HAND[name].morphs]
    after = apply_morphs(GUARDED, morphs)
    breach = BY_HAND[name].breach
    assert _is_refused(morphs) is (not _oracle(after)) is (breach is not None)
    kinds = {one.kind for one in find_breaches(GUARDED, after, BINDINGS)}
    assert kinds == ({breach} if breach else set())


@pytest.mark.parametrize(
    "key", ["purpose", "beneficiaries", "safety_envelope", "prohibited_changes"]
)
def test_no_field_of_the_identity_changes(key: str) -> None:
    after = GUARDED.replace(GUARDED.root.with_fields(**{key: list[Json](["Fаrmer"])}))
    assert not _oracle(after)
    assert find_breaches(GUARDED, after, ())[0].kind is BreachKind.IDENTITY


def test_a_purpose_changed_word_by_word_is_refused_at_the_first_word() -> None:
    words = str(GUARDED.root.fields["purpose"]).split()
    for number, word in enumerate(["Ad", "selling", "with"]):
        words[number] = word
        after = GUARDED.replace(GUARDED.root.with_fields(purpose=" ".join(words)))
        assert [one.kind for one in find_breaches(GUARDED, after, ())] == [BreachKind.IDENTITY]


@table(
    "weaker",
    [
        GUARDED.replace(GUARDED[RAIL].with_targets(Relation.GUARDS, [])),
        GUARDED.replace(GUARDED[RAIL].with_fields(name="")),
        GUARDED.replace(removed=[RAIL]),
    ],
)
def test_a_guardrail_with_a_line_of_the_envelope_is_never_weakened(weaker: SpecGraph) -> None:
    assert not _oracle(weaker)
    assert [one.kind for one in find_breaches(GUARDED, weaker, ())] == [BreachKind.GUARDRAIL]


@table(
    ("morphs", "verdict", "is_allowed"),
    [
        ([{"type": "remove_step", "step": "phi_gate"}], SafetyVerdict.APPROVE, False),
        ([{"type": "add_source", "name": "Soil"}], SafetyVerdict.APPROVE, True),
        ([{"type": "add_source", "name": "Soil"}], SafetyVerdict.VETO, False),
        ([{"type": "add_source", "name": "Soil"}], None, False),
    ],
)
def test_approval_of_safety_is_needed_and_never_enough(
    morphs: list[dict[str, object]], verdict: SafetyVerdict | None, is_allowed: bool
) -> None:
    after = apply_morphs(GUARDED, [read_morph(one) for one in morphs])
    breaches = find_breaches(GUARDED, after, BINDINGS)
    objections = find_objections(breaches, verdict, ["words of the agent"])
    assert (not objections) is is_allowed
    assert ("words of the agent" in objections) is (verdict is SafetyVerdict.VETO)


def test_a_plan_tells_how_many_lines_a_machine_checks() -> None:
    unbound = Binding(line="No medical claims")
    found = coverage(GUARDED, [*BINDINGS, unbound])
    assert (found.machine_checked, found.lines, found.missing) == (3, 4, ())
    bound = Binding(line="No medical claims", scenario="no-claims")
    for musts, checked in (((), 3), (("no-claims-2",), 3), (("no-claims",), 4)):
        found = coverage(GUARDED, [*BINDINGS, bound], musts)
        assert found.machine_checked == checked
        assert [one.split(" is bound to ")[0] for one in found.missing] == (
            ["'No medical claims'"] if checked == 3 else []
        )
    assert LINE in GUARDED.root.fields["safety_envelope"]  # pyright: ignore

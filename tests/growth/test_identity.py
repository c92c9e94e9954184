import pytest

from attractor.base.json import Json
from attractor.growth.identity import Binding, BreachKind, coverage, find_breaches
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.spec.files import node_text
from attractor.growth.spec.graph import Relation, SpecGraph
from tests.counts import count
from tests.growth.oracle import keeps_identity, plain
from tests.growth.sequences import GATES, GUARDED, random_sequence

LINE = "No harvest from PHI locked blocks"
BINDINGS = [Binding(line=LINE, path_to=target, gate=gate) for target, gate in GATES]


def _kinds(after: SpecGraph) -> list[BreachKind]:
    return [one.kind for one in find_breaches(GUARDED, after, BINDINGS)]


def _agree(after: SpecGraph) -> bool:
    """Ask check and oracle; return whether the identity is kept."""
    texts = [[node_text(one) for one in graph.values()] for graph in (GUARDED, after)]
    kept = keeps_identity(plain(texts[0]), plain(texts[1]), GATES)
    assert kept is (not _kinds(after)), find_breaches(GUARDED, after, BINDINGS)
    return kept


def test_check_and_oracle_agree_on_random_sequences() -> None:
    verdicts = [
        _agree(apply_morphs(GUARDED, random_sequence(seed, GUARDED)))
        for seed in range(count(ci=25, full=200))
    ]
    assert {True, False} <= set(verdicts)


BY_HAND = {
    "the gate is removed": ([{"type": "remove_step", "step": "phi_gate"}], BreachKind.BYPASS),
    "a step before the gate writes the harvest": (
        [{"type": "add_step", "name": "Early", "after": "yield_forecast", "writes": ["harvest"]}],
        BreachKind.BYPASS,
    ),
    "a new pipeline writes the harvest": (
        [
            {"type": "add_pipeline", "name": "Express", "steps": ["Pick"]},
            {"type": "add_step", "name": "Ship", "after": "pick", "writes": ["harvest"]},
        ],
        BreachKind.BYPASS,
    ),
    "a gate with look-alike letters is another gate": (
        [
            {"type": "insert_gate", "name": "РHI gate", "after": "yield_forecast"},
            {"type": "rename", "node": "phi_gate", "name": "Old gate"},
        ],
        "kept",
    ),
    "the guardrail gets other words": (
        [{"type": "rename", "node": "no_harvest_from_phi_locked_blocks", "name": "Harvest"}],
        BreachKind.GUARDRAIL,
    ),
    "the guardrail gets words that look alike": (
        [
            {
                "type": "rename",
                "node": "no_harvest_from_phi_locked_blocks",
                "name": "No harvest from РHI locked blocks",
            }
        ],
        BreachKind.GUARDRAIL,
    ),
    "another gate is lawful": (
        [{"type": "insert_gate", "name": "Cold chain", "after": "phi_gate"}],
        "kept",
    ),
    "an import that feeds the allocation is lawful": (
        [
            {"type": "add_pipeline", "name": "Import", "steps": ["Fetch"]},
            {"type": "add_step", "name": "Store", "after": "fetch", "writes": ["contract"]},
        ],
        "kept",
    ),
    "a forecast of another pipeline is not gated": (
        [
            {"type": "add_pipeline", "name": "Quick", "steps": ["Guess"]},
            {"type": "add_step", "name": "Put", "after": "guess", "writes": ["forecast"]},
        ],
        BreachKind.BYPASS,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_sequences_by_hand(name: str) -> None:
    records, expected = BY_HAND[name]
    after = apply_morphs(GUARDED, [read_morph(one) for one in records])
    assert _agree(after) is (expected == "kept")
    if expected != "kept":
        assert expected in _kinds(after)


@pytest.mark.parametrize(
    "key", ["purpose", "beneficiaries", "safety_envelope", "prohibited_changes"]
)
def test_the_identity_never_changes(key: str) -> None:
    after = GUARDED.replace(GUARDED.root.with_fields(**{key: list[Json](["Fаrmer"])}))
    assert not _agree(after)
    assert _kinds(after)[0] is BreachKind.IDENTITY


def test_frozen_nodes_and_forbidden_relations() -> None:
    bindings = [
        Binding(line="a", frozen_node="block"),
        Binding(line="b", forbidden=("packlists", "reads", "spray_event")),
    ]
    packlists = GUARDED["packlists"]
    after = GUARDED.replace(
        GUARDED["block.crop"].with_fields(type="text"),
        packlists.with_targets(Relation.READS, ["spray_event"]),
    )
    assert [one.kind for one in find_breaches(GUARDED, after, bindings)] == [
        *(BreachKind.FROZEN, BreachKind.FORBIDDEN)
    ]


def test_coverage_counts_the_lines_that_a_machine_checks() -> None:
    assert coverage(GUARDED, BINDINGS) == (1, 4)

"""Open plans that collide are found before anything is built (growth, G9)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random
from typing import Any

from attractor.base.errors import AttractorError
from attractor.growth.api.plans import plan_proposal, rebase
from attractor.growth.desires import UserDesire
from attractor.growth.identity import find_breaches
from attractor.growth.morph import Morph, add_child, apply_morphs, new_node, read_morph
from attractor.growth.plans.collisions import find_collision
from attractor.growth.plans.plan import Plan, PlannedMorph, read_proposal
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from tests.counts import count
from tests.growth.app import make_app
from tests.growth.by_hand import BINDINGS, BY_HAND
from tests.growth.sequences import GUARDED, MAKERS, random_sequence
from tests.tables import table


def _plan(name: str, morphs: Sequence[Morph], base: SpecGraph = GUARDED) -> Plan:
    planned = [PlannedMorph(one, "plate", one.level, one.risk) for one in morphs]
    return Plan(name, base, tuple(planned), (), "hash")


def _by_hand(name: str, *morphs: Mapping[str, Any], base: SpecGraph = GUARDED) -> Plan:
    return _plan(name, [read_morph(one) for one in morphs], base)


def _clash(one: Plan, other: Plan) -> bool:
    """Whether the orders differ, or give a breach or reshaped data that no plan has alone."""
    try:
        both = apply_morphs(one.result, other.proposal.morphs)
        reverse = apply_morphs(other.result, one.proposal.morphs)
    except AttractorError:
        return True
    if both.spec_hash != reverse.spec_hash:
        return True
    if any(_is_reshaped(plan.result, both) for plan in (one, other)):
        return True
    return bool(find_breaches(GUARDED, both, BINDINGS))


def _is_reshaped(result: SpecGraph, both: SpecGraph) -> bool:
    """Whether a node that a plan adds or changes uses data that both plans together reshape."""
    for id_, node in result.items():
        old = GUARDED.get(id_)
        if old is None or _work(old) != _work(node):
            wanted, found = _shapes(result, node), _shapes(both, both[id_])
            if any(found.get(field) != shape for field, shape in wanted.items()):
                return True
    return False


def _work(node: SpecNode) -> SpecNode:
    """Return a node without its name, place and neighbours."""
    relations = [one for one in node.relations if one.relation is not Relation.PRECEDES]
    return replace(node.with_fields(name=None), edges=tuple(relations))


def _shapes(graph: SpecGraph, node: SpecNode) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields that a node uses, by id, each without its name."""
    used = [one for edge in _work(node).edges for one in graph.below(edge.to)]
    return {one.id: {**one.fields, "name": ""} for one in used if one.kind == "field"}


def _one_morph(name: str, seed: int) -> Plan | None:
    """Return a plan of one random morph of a type, unless it breaks the identity alone."""
    random = Random(f"{name} {seed}")
    while True:
        try:
            plan = _by_hand(
                f"{name}-{seed}", {"type": name, **MAKERS[name](random, GUARDED, f"new {seed}")}
            )
            broken = find_breaches(GUARDED, plan.result, BINDINGS)
        except AttractorError:
            continue
        return None if broken else plan


def test_every_clash_of_two_types_of_morphs_is_found() -> None:
    rounds = count(ci=1, full=30)
    plans = {name: [_one_morph(name, seed) for seed in range(2 * rounds)] for name in MAKERS}
    clashes = set[str]()
    for first, second in combinations_with_replacement(MAKERS, 2):
        pairs = zip(plans[first][:rounds], plans[second][rounds:], strict=True)
        for one, other in pairs:
            if one and other and _clash(one, other):
                assert find_collision(one, other, BINDINGS), (one.proposal, other.proposal)
                clashes |= {first, second}
    assert {"drop_field", "retype_field"} <= clashes


def test_every_clash_of_two_plans_is_found_with_few_false_alarms() -> None:
    plans = [_plan(f"{n}", random_sequence(n, GUARDED)) for n in range(count(ci=22, full=200))]
    plans += [_by_hand(name, *one.morphs) for name, one in BY_HAND.items()]
    lawful = [one for one in plans if not find_breaches(GUARDED, one.result, BINDINGS)]
    pairs = [(a, b) for i, a in enumerate(lawful) for b in lawful[i + 1 :]]
    clashes = {(a.id, b.id) for a, b in pairs if _clash(a, b)}
    found = {(a.id, b.id) for a, b in pairs if find_collision(a, b, BINDINGS)}
    assert clashes <= found
    assert clashes
    harmless = len(pairs) - len(clashes)
    assert len(found - clashes) <= min(harmless, len(found)) / 10


STEP = {"type": "add_step", "name": "Sort", "after": "phi_gate"}
COLLIDING = {
    "both create an id": (
        {"type": "add_source", "name": "Soil"},
        {"type": "add_surface", "panels": ["Soil"]},
    ),
    "both use a slot": (STEP, {**STEP, "name": "Wash"}),
    "one drops a field that the other reads": (
        {"type": "drop_field", "entity": "spray_event", "field": "phi_days"},
        {**STEP, "reads": ["spray_event.phi_days"]},
    ),
    "both name a node": (
        {"type": "rename", "node": "triage", "name": "Home"},
        {"type": "rename", "node": "triage", "name": "Start"},
    ),
}


@table("name", COLLIDING)
def test_plans_that_collide(name: str) -> None:
    one, other = (_by_hand(str(n), morph) for n, morph in enumerate(COLLIDING[name]))
    assert find_collision(one, other, ())
    assert find_collision(other, one, ())


SHEET = new_node(GUARDED, "Sheet", "output").with_targets(Relation.READS, ["block"])
BASE = add_child(GUARDED, "workflows", SHEET)
USERS: Mapping[str, Mapping[str, Any]] = {
    "a step reads it": {**STEP, "reads": ["Block"]},
    "a step reads the field": {**STEP, "reads": ["block.crop"]},
    "a step writes it": {**STEP, "writes": ["Block"]},
    "a panel shows it": {"type": "add_surface", "panels": ["Map"], "shows": ["Block"]},
    "a panel shows an output": {"type": "add_surface", "panels": ["Map"], "shows": ["Sheet"]},
    "a gate reads it": {
        "type": "insert_gate",
        "name": "Frost gate",
        "after": "phi_gate",
        "reads": ["Block"],
    },
    "a guardrail guards it": {"type": "add_guardrail", "name": "No sale", "guards": ["Block"]},
    "a step gets a strategy": {"type": "allocate", "strategy": "x", "step": "yield_forecast"},
    "a step gets a body": {"type": "adopt_body", "node": "yield_forecast", "body": "0" * 64},
}
CROP = {"entity": "block", "field": "crop"}
RESHAPED: Mapping[str, tuple[Mapping[str, Any], bool]] = {
    "dropped": ({"type": "drop_field", **CROP}, True),
    "of another type": ({"type": "retype_field", **CROP, "field_type": "integer"}, True),
    "personal": ({"type": "retype_field", **CROP, "pii": True}, True),
    "a key": ({"type": "retype_field", **CROP, "key": True}, True),
    "of another name": ({"type": "rename", "node": "block.crop", "name": "Plant"}, False),
    "not alone": ({"type": "add_field", "entity": "block", "name": "soil"}, False),
}


@table("user", USERS)
@table("change", RESHAPED)
def test_a_new_user_of_an_entity_collides_with_a_change_of_its_field(
    user: str, change: str
) -> None:
    morph, collides = RESHAPED[change]
    one, other = _by_hand("one", USERS[user], base=BASE), _by_hand("other", morph, base=BASE)
    for pair in ((one, other), (other, one)):
        collision = find_collision(*pair, ())
        assert bool(collision) is collides
        if collision:
            assert "block.crop" in collision.reason


def test_two_plans_that_break_the_identity_only_together() -> None:
    allocate = GUARDED["allocate_to_contracts"].with_targets(Relation.READS, ["contract"])
    base = GUARDED.replace(allocate)
    guess = {"type": "add_step", "name": "Guess", "after": "collect", "writes": ["forecast"]}
    trust = {"type": "add_step", "name": "Trust", "after": "phi_gate", "reads": ["forecast"]}
    one, other = (_by_hand(str(m["name"]), m, base=base) for m in (guess, trust))
    bindings = BINDINGS[:2]
    assert not find_breaches(base, one.result, bindings)
    assert not find_breaches(base, other.result, bindings)
    collision = find_collision(one, other, bindings)
    assert collision
    assert "together they break the identity" in collision.reason


def test_a_plan_for_the_base_before_is_compared_on_the_new_base(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")

    def planned(spec: str, name: str, desire: str) -> Plan:
        proposal = read_proposal({"morphs": [{"type": "add_source", "name": name}], "tests": []})
        answer = plan_proposal(app, spec, proposal, [UserDesire(goal=desire)])
        return app.plans.load(str(answer["plan_id"]))

    first = planned("HEAD", "Soil", "know the soil")
    second = planned("HEAD", "Soil", "taste the soil")
    third = planned("HEAD", "Rain", "know the rain")
    assert first.base.spec_hash != second.base.spec_hash
    assert [one.second for one in app.check(second).collisions] == [first.id]
    assert app.check(third).is_deployable
    assert rebase(app, third.id)["deployable"]

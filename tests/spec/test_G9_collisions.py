"""Open plans that collide are found before anything is built (growth, G9)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attractor.base.errors import AttractorError
from attractor.growth.api.plans import plan_proposal, rebase
from attractor.growth.desires import UserDesire
from attractor.growth.identity import find_breaches
from attractor.growth.morph import Morph, apply_morphs, read_morph
from attractor.growth.plans.collisions import find_collision
from attractor.growth.plans.plan import Plan, PlannedMorph, read_proposal
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.counts import count
from tests.growth.app import make_app
from tests.growth.by_hand import BINDINGS, BY_HAND
from tests.growth.sequences import GUARDED, random_sequence
from tests.tables import table


def _plan(name: str, morphs: Sequence[Morph], base: SpecGraph = GUARDED) -> Plan:
    planned = [PlannedMorph(one, "plate", one.level, one.risk) for one in morphs]
    return Plan(name, base, tuple(planned), (), "hash")


def _by_hand(name: str, *morphs: Mapping[str, Any], base: SpecGraph = GUARDED) -> Plan:
    return _plan(name, [read_morph(one) for one in morphs], base)


def _clash(one: Plan, other: Plan) -> bool:
    """Whether the two orders give different graphs, or a breach that no plan has alone."""
    try:
        both = apply_morphs(one.result, other.proposal.morphs)
        reverse = apply_morphs(other.result, one.proposal.morphs)
    except AttractorError:
        return True
    if both.spec_hash != reverse.spec_hash:
        return True
    return bool(find_breaches(GUARDED, both, BINDINGS))


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

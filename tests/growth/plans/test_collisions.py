from attractor.base.errors import AttractorError
from attractor.growth.identity import Binding, find_breaches
from attractor.growth.morph import apply_morphs
from attractor.growth.plans.collisions import find_collision
from attractor.growth.plans.plan import Plan, PlannedMorph
from tests.counts import count
from tests.growth.sequences import GATES, GUARDED, random_sequence

BINDINGS = [Binding(line="x", path_to=target, gate=gate) for target, gate in GATES]


def _plan(seed: int) -> Plan:
    morphs = random_sequence(seed, GUARDED)
    planned = [PlannedMorph(one, "plate", one.level, one.risk) for one in morphs]
    return Plan(f"plan-{seed}", GUARDED, tuple(planned), (), "hash")


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


def test_every_clash_of_two_plans_is_found() -> None:
    plans = [_plan(seed) for seed in range(count(ci=40, full=200))]
    lawful = [one for one in plans if not find_breaches(GUARDED, one.result, BINDINGS)]
    pairs = [(a, b) for i, a in enumerate(lawful) for b in lawful[i + 1 :]]
    clashes = {(a.id, b.id) for a, b in pairs if _clash(a, b)}
    found = {(a.id, b.id) for a, b in pairs if find_collision(a, b, BINDINGS)}
    assert clashes <= found
    assert len(found - clashes) <= len(pairs) // 10, (len(found - clashes), len(pairs))
    assert clashes

"""Finds open plans that collide, before anything is built (ruling G9).

Two plans collide if one writes what the other reads or writes, if both create one id or use one
slot, if their order matters, or if both together break the identity. Clashes of meaning are not
found.
"""

from collections.abc import Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.growth.identity import Binding, find_breaches
from attractor.growth.morph import apply_morphs
from attractor.growth.plans.plan import Plan
from attractor.growth.specification.difference import compare_specs
from attractor.growth.specification.graph import SpecGraph


@dataclass(frozen=True)
class Collision:
    """Two plans of which only one can be deployed as it is."""

    first: str
    second: str
    reason: str

    def other(self, plan_id: str) -> str:
        """Return the plan with which a plan collides."""
        return self.second if self.first == plan_id else self.first


def find_collision(one: Plan, other: Plan, bindings: Sequence[Binding]) -> Collision | None:
    """Return the collision of two plans for the same base, if there is one."""
    shared = sorted(one.touched.collides(other.touched))
    if shared:
        return Collision(one.id, other.id, f"both change {', '.join(shared)}")
    results: list[SpecGraph] = []
    for first, second in ((one, other), (other, one)):
        try:
            results.append(apply_morphs(first.result, second.proposal.morphs))
        except AttractorError as cause:
            reason = f"{second.id} does not fit after {first.id}: {cause.message}"
            return Collision(first.id, second.id, reason)
    if results[0].spec_hash != results[1].spec_hash:
        changes = compare_specs(*results)
        return Collision(one.id, other.id, f"the order matters: {changes[0].describe()}")
    breaches = find_breaches(one.base, results[0], bindings)
    if breaches:
        reason = f"together they break the identity: {breaches[0].message}"
        return Collision(one.id, other.id, reason)
    return None


def find_collisions(
    plan: Plan, open_plans: Sequence[Plan], bindings: Sequence[Binding]
) -> Sequence[Collision]:
    """Return the collisions of a plan with open plans; those for another base are recomputed."""
    found: list[Collision] = []
    for one in open_plans:
        if one.id == plan.id:
            continue
        other = replace(one, base=plan.base)
        try:
            other.result  # noqa: B018 - computed here
        except AttractorError as cause:
            reason = f"{one.id} does not fit the same base: {cause.message}"
            found.append(Collision(plan.id, one.id, reason))
            continue
        collision = find_collision(plan, other, bindings)
        found += [collision] if collision else []
    return found

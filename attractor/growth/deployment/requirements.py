"""Refuses a plan that may not be deployed: not simulated, stale, colliding (ruling G12)."""

from attractor.base.errors import Refused
from attractor.growth.control_plane import ControlPlane
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import PlanState


class NotDeployable(Refused):
    """A plan that may not be deployed."""


def require_deployable(control_plane: ControlPlane, plan: Plan) -> None:
    """Refuse a plan that is dropped, not simulated, stale, colliding, or breaks the identity."""
    state = control_plane.plans.state(plan)
    if state is PlanState.DROPPED:
        hint = "make another plan: attractor grow plan"
        raise NotDeployable(f"{plan.id} was dropped", hint=hint)
    if state is PlanState.OPEN:
        hint = f"simulate it: attractor grow simulate {plan.id}"
        raise NotDeployable(f"no simulation of {plan.id} as it is now", hint=hint)
    check = control_plane.check(plan)
    for one in check.findings:
        raise NotDeployable(f"{plan.id}: {one.kind}: {one.message}", hint=one.hint)
    for one in check.collisions:
        other = one.second if one.first == plan.id else one.first
        hint = f"deploy {other} first, then: attractor grow rebase {plan.id}"
        raise NotDeployable(f"{plan.id} collides with {other}: {one.reason}", hint=hint)

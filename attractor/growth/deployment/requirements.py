"""Refuses a plan that may not be deployed: not simulated, stale, colliding (ruling G12)."""

from attractor.base.errors import Refused
from attractor.growth.control_plane import ControlPlane
from attractor.growth.morph import Risk
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.report import Depth, simulations_of


class NotDeployable(Refused):
    """A plan that may not be deployed."""


def require_deployable(control_plane: ControlPlane, plan: Plan) -> None:
    """Refuse a plan that is dropped, not simulated, stale, colliding, or breaks the identity."""
    if control_plane.plans.is_dropped(plan.id):
        hint = "make another plan: attractor grow plan"
        raise NotDeployable(f"{plan.id} was dropped", hint=hint)
    _require_simulation(control_plane, plan)
    check = control_plane.check(plan)
    for one in check.findings:
        raise NotDeployable(f"{plan.id}: {one.kind}: {one.message}", hint=one.hint)
    for one in check.collisions:
        other = one.second if one.first == plan.id else one.first
        hint = f"drop one of them: attractor grow drop {other}"
        raise NotDeployable(f"{plan.id} collides with {other}: {one.reason}", hint=hint)


def _require_simulation(control_plane: ControlPlane, plan: Plan) -> None:
    """Refuse a plan whose newest simulation is missing, too shallow, or shows a fault."""
    found = simulations_of(control_plane.plans.folder_of(plan.id), plan.hash)
    if not found:
        hint = f"simulate it: attractor grow simulate {plan.id}"
        raise NotDeployable(f"no simulation of {plan.id} as it is now", hint=hint)
    deepest = found[0]
    if plan.risk is not Risk.LOW and deepest.pins.depth is not Depth.REHEARSAL:
        hint = f"rehearse it: attractor grow simulate {plan.id} --rehearse"
        raise NotDeployable(f"{plan.id} has {plan.risk} risk and no rehearsal", hint=hint)
    for fault in deepest.faults:
        option = " --rehearse" if deepest.rehearsal else ""
        hint = f"see all faults: attractor grow simulate {plan.id}{option}"
        raise NotDeployable(f"the simulation of {plan.id} shows a fault: {fault}", hint=hint)

"""Refuses a plan that may not be deployed (ruling G12), and names the next command of a plan."""

from attractor.base.errors import Refused
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.candidate_run import read_candidate_run
from attractor.growth.building import deploying_command, read_build
from attractor.growth.control_plane import ControlPlane
from attractor.growth.development import read_development
from attractor.growth.normalize.structured import add_desires
from attractor.growth.plans.checks import FindingKind, PlanCheck, check_proposal
from attractor.growth.plans.collisions import Collision
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import DECISION, REJECTION, PlanState
from attractor.growth.simulation.report import Simulation, simulations_of


class NotDeployable(Refused):
    """A plan that may not be deployed."""


def require_deployable(control_plane: ControlPlane, plan: Plan) -> None:
    """Refuse a plan that is dropped, not simulated, stale, colliding, or breaks the identity."""
    require_kept(control_plane, plan)
    deepest = _deepest(control_plane, plan)
    if not deepest:
        hint = f"simulate it: attractor grow simulate {plan.id}"
        raise NotDeployable(f"no simulation of {plan.id} as it is now", hint=hint)
    if not deepest.is_enough_for(plan.risk):
        hint = f"rehearse it: attractor grow simulate {plan.id}"
        raise NotDeployable(f"{plan.id} has {plan.risk} risk and no rehearsal", hint=hint)
    for fault in deepest.faults:
        hint = f"see all faults: attractor grow simulate {plan.id}"
        raise NotDeployable(f"the simulation of {plan.id} shows a fault: {fault}", hint=hint)
    check = control_plane.check(plan)
    for finding in check.findings:
        raise NotDeployable(f"{plan.id}: {finding.kind}: {finding.message}", hint=finding.hint)
    for collision in check.collisions:
        hint = f"drop one of them: {way_out(control_plane, plan, collision)}"
        words = f"{plan.id} collides with {collision.other(plan.id)}: {collision.reason}"
        raise NotDeployable(words, hint=hint)


def require_kept(control_plane: ControlPlane, plan: Plan) -> None:
    """Refuse a plan that was dropped, before anything is built or paid for it."""
    if control_plane.plans.is_dropped(plan.id):
        hint = "make another plan: attractor grow plan"
        raise NotDeployable(f"{plan.id} was dropped", hint=hint)


def way_out(control_plane: ControlPlane, plan: Plan, collision: Collision) -> str:
    """Return the command that ends a collision: a plan that is being deployed is not dropped."""
    other = collision.other(plan.id)
    is_kept = control_plane.plans.recorded_state(other).is_deploying
    return f"attractor grow drop {plan.id if is_kept else other}"


def _deepest(control_plane: ControlPlane, plan: Plan) -> Simulation | None:
    found = simulations_of(control_plane.plans.folder_of(plan.id), plan.hash)
    return found[0] if found else None


def _can_be_rebased(control_plane: ControlPlane, plan: Plan, check: PlanCheck) -> bool:
    head = control_plane.head
    # Of an edited text nobody knows what else was edited.
    if head is None or any(finding.kind is FindingKind.TEXT for finding in check.findings):
        return False
    base, _ = add_desires(head, plan.desires)
    development = read_development(control_plane.repository)
    return not check_proposal(base, plan.proposal, development).findings


def _run_that_waits(control_plane: ControlPlane, plan: Plan, waits_for: str) -> str:
    """Return the run of a plan that waits for a rejection or for any decision, or ""."""
    last = control_plane.plans.last_note(plan.id)
    if last.get("waits_for") != waits_for:
        return ""
    run = control_plane.project.runs_dir / str(last["run_id"])
    waits = run.is_dir() and read_candidate_run(run).state.status == AWAITING_DECISION
    return run.name if waits else ""


def next_command(control_plane: ControlPlane, plan: Plan, check: PlanCheck) -> str:
    """Return the command that continues a plan as it is now; empty for a finished plan.

    A plan that neither a simulation nor a rebase makes deployable is dropped.
    """
    state = control_plane.plans.state(plan)
    if state.is_final:
        return ""
    drop, rebase, simulate = (
        f"attractor grow {verb} {plan.id}" for verb in ("drop", "rebase", "simulate")
    )
    build = read_build(control_plane.plans.folder_of(plan.id))
    deploy = build.command if build else deploying_command(plan.id)
    if state.is_deploying:
        # While a process deploys the plan, a second one would be refused.
        return deploy if state is PlanState.INTERRUPTED else ""
    if run_id := _run_that_waits(control_plane, plan, REJECTION):
        return f'attractor decide {run_id} --reject --reason "..."'
    if check.findings:
        return rebase if _can_be_rebased(control_plane, plan, check) else drop
    for collision in check.collisions:
        return way_out(control_plane, plan, collision)
    deepest = _deepest(control_plane, plan)
    if state is not PlanState.PARKED and not (deepest and deepest.is_enough_for(plan.risk)):
        return simulate
    if deepest and deepest.faults:
        return drop
    run_id = _run_that_waits(control_plane, plan, DECISION)
    return f'attractor decide {run_id} --approve --reason "..."' if run_id else deploy

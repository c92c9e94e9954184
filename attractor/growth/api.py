"""The one door of growth for the command line and the server.

`plan` returns exactly the keys of its HTTP answer; the others return the record that a command
prints with `--json`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attractor.base.json import Json
from attractor.factory.evaluation.feedback import FEEDBACK_FILE
from attractor.growth.control_plane import ControlPlane
from attractor.growth.desires import UserDesire
from attractor.growth.development import read_development
from attractor.growth.errors import PlanRefused
from attractor.growth.identity import coverage
from attractor.growth.plans.collisions import Collision, find_collisions
from attractor.growth.plans.feedback import (
    AppFeedback,
    load_feedback,
    read_telemetry,
    read_verdict,
    save_feedback,
)
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, Proposal
from attractor.growth.plans.planning import make_plan
from attractor.growth.plans.store import PlanState
from attractor.growth.spec.graph import SpecGraph
from attractor.growth.spec.store import spec_id
from attractor.pipeline.runs.lookup import find_run


def plan_proposal(
    control_plane: ControlPlane,
    spec_graph_id: str,
    proposal: Proposal,
    new_desires: Sequence[UserDesire] = (),
) -> dict[str, Json]:
    """Make a plan of a proposal, without a model; return its id, morphs and tests."""
    stored = control_plane.specs.load(spec_graph_id)
    plan = _keep(control_plane, stored.graph, proposal, new_desires or stored.desires)
    written: Mapping[str, Any] = plan.proposal.to_dict()
    return {"plan_id": plan.id, "morphs": written["morphs"], "tests": written["tests"]}


def rebase(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Recompute a plan on the specification of the app; the plan before is dropped."""
    plan = control_plane.plans.load(reference)
    state = control_plane.plans.state(plan)
    if state not in (PlanState.OPEN, PlanState.SIMULATED):
        raise PlanRefused(f"{plan.id} is {state}", hint="only an open plan is rebased")
    head = control_plane.head
    if head is None:
        raise PlanRefused("the app has no specification yet", hint="deploy its first plan")
    new = _keep(control_plane, head, plan.proposal, plan.desires, instead_of=plan)
    return {**describe_plan(control_plane, new.id), "instead_of": plan.id}


def _keep(
    control_plane: ControlPlane,
    base: SpecGraph,
    proposal: Proposal,
    desires: Sequence[UserDesire],
    *,
    instead_of: Plan | None = None,
) -> Plan:
    """Check and store a plan, under the lock."""
    plans = control_plane.plans
    development = read_development(control_plane.repository)
    with control_plane.lock():
        plan = make_plan(base, proposal, development, desires=desires, is_dropped=plans.is_dropped)
        others = [one for one in plans.open_plans() if not instead_of or one.id != instead_of.id]
        collisions = find_collisions(plan, others, development.identity)
        plans.save(plan, mutation_text(plan, development, collisions))
        if instead_of and plan.id != instead_of.id:
            plans.drop(instead_of.id, f"rebased as {plan.id}")
    return plan


def describe_plan(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return a plan with its state, what rules say of each morph, findings and collisions."""
    plan = control_plane.plans.load(reference)
    development = read_development(control_plane.repository)
    checked, lines = coverage(plan.base, development.identity)
    steps = plan.steps
    return {
        "plan_id": plan.id,
        "plan_hash": plan.hash,
        "state": control_plane.plans.state(plan).value,
        "base": spec_id(plan.base),
        "result": spec_id(plan.result),
        "risk": plan.risk.value,
        "desires": [one.goal for one in plan.desires],
        "morphs": [one.to_dict() for one in steps],
        "tests": list[Json](plan.tests),
        "identity": {"lines": lines, "machine_checked": checked},
        "irreversible": [one.id for one in steps if not one.is_reversible],
        "migrations": [one.migration.describe() for one in steps if one.migration],
        **check(control_plane, plan.id),
    }


def check(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Check a plan again; return reasons against it, and collisions with open plans."""
    plan = control_plane.plans.load(reference)
    found = control_plane.check(plan)
    return {
        "plan_id": plan.id,
        "deployable": found.is_deployable,
        "findings": [one.to_dict() for one in found.findings],
        "collisions": [_collision(plan, one) for one in found.collisions],
    }


def _collision(plan: Plan, one: Collision) -> dict[str, Json]:
    other = one.second if one.first == plan.id else one.first
    return {"plan_id": other, "reason": one.reason}


def review(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the description of a plan for the person who reviews it."""
    plan = control_plane.plans.load(reference)
    return {"plan_id": plan.id, "mutation": control_plane.plans.mutation(plan.id)}


def feedback(
    control_plane: ControlPlane, *, telemetry: Path | None = None, run: str = ""
) -> dict[str, Json]:
    """Keep counts of the app, or the verdict on a run, for the next plan that a model makes."""
    kept = load_feedback(control_plane.folder) or AppFeedback()
    if telemetry:
        kept |= read_telemetry(telemetry)
    if run:
        kept |= read_verdict(find_run(run, control_plane.host.runs_dir) / FEEDBACK_FILE)
    save_feedback(kept, control_plane.folder)
    return kept.to_dict()


def status(control_plane: ControlPlane) -> dict[str, Json]:
    """Return all plans with their states."""
    plans = control_plane.plans
    return {"plans": [_row(control_plane, plans.load(one)) for one in plans.ids()]}


def _row(control_plane: ControlPlane, plan: Plan) -> dict[str, Json]:
    return {
        "plan_id": plan.id,
        "state": control_plane.plans.state(plan).value,
        "risk": plan.risk.value,
        "base": spec_id(plan.base),
        "result": spec_id(plan.result),
        "morphs": len(plan.morphs),
    }

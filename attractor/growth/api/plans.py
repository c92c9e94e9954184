"""Plans of growth: make, check, simulate, review, rebase and drop them.

`plan` and `simulate` return exactly the keys of their HTTP answers; the others return the record
that a command prints with `--json`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from attractor.base.errors import AttractorError, UsageError
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields, write_record
from attractor.factory.evaluation.feedback import FEEDBACK_FILE
from attractor.growth.api.crew_pipeline import crew_pipeline, plain_parts
from attractor.growth.apps.routes import declared_operations, without_refusal
from attractor.growth.apps.services import configured_urls
from attractor.growth.building import require_ports
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.deploy import branch_of, undoing_command
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.requirements import next_command, require_kept, way_out
from attractor.growth.desires import UserDesire
from attractor.growth.development import read_development
from attractor.growth.errors import InvalidDevelopment, InvalidMorph, PlanRefused
from attractor.growth.lineage import read_stages
from attractor.growth.normalize.structured import add_desires
from attractor.growth.plans.checks import find_unclear, gate_changes, make_plan, refusal
from attractor.growth.plans.feedback import (
    AppFeedback,
    load_feedback,
    move_feedback,
    read_telemetry,
    read_verdict,
    save_feedback,
)
from attractor.growth.plans.mutation import checks_text
from attractor.growth.plans.plan import NO_MORPHS, Plan, Proposal
from attractor.growth.plans.planner import propose
from attractor.growth.plans.store import DEPLOYMENT_LOCK, PlanState
from attractor.growth.simulation.report import Depth, Simulation, depth_for, simulations_of
from attractor.growth.simulation.running import AppFolders
from attractor.growth.simulation.simulations import FOLDER, rehearse_plan, simulate_plan
from attractor.growth.specification.node_kind import wrong_relations
from attractor.growth.specification.rights import changed_sight, told_by_steps
from attractor.growth.specification.store import HEAD, SpecRecord, StoredSpec, spec_id
from attractor.records.lookup import find_run

SIMULATION_KEYS = ("simulation_id", "diff", "files", "risks", "screenshots")
"""The keys of the answer of `POST /growth/simulate`."""


def plan(
    control_plane: ControlPlane, spec_graph_id: str, new_desires: Sequence[UserDesire] = ()
) -> dict[str, Json]:
    """Let a model plan morphs and tests for desires; return plan id, morphs and tests.

    The desires are added to the specification (default: those that it adds to its base). Without
    any, a first stage is planned as it is, without a model.
    """
    stored = _with_desires(control_plane, spec_graph_id, new_desires)
    is_first = not read_stages(control_plane.repository)
    if not stored.desires and is_first:
        return _answer(_keep(control_plane, stored, NO_MORPHS))
    if not stored.desires:
        hint = (
            "pass --desires FILE, the id that 'attractor spec normalize --base SPEC' prints, or, "
            "without a model, --proposal FILE with morphs"
        )
        raise UsageError(f"no desires in {stored.id}", hint=hint)
    if unclear := find_unclear(stored.graph, control_plane.head):
        raise refusal(unclear)
    development = read_development(control_plane.repository)
    feedback = load_feedback(control_plane.folder)

    async def work() -> Proposal:
        await require_ports(control_plane.project)
        return await propose(
            control_plane.project,
            stored.graph,
            stored.desires,
            development,
            feedback,
            without_desires=stored.base if is_first else "",
        )

    proposal = asyncio.run(work())
    made = _keep(control_plane, stored, proposal)
    if feedback:
        move_feedback(control_plane.folder, control_plane.plans.folder_of(made.id))
    return _answer(made)


def plan_proposal(
    control_plane: ControlPlane,
    spec_graph_id: str,
    proposal: Proposal,
    new_desires: Sequence[UserDesire] = (),
) -> dict[str, Json]:
    """Plan the morphs and tests of a proposal, without a model; return the same as `plan`."""
    stored = _with_desires(control_plane, spec_graph_id, new_desires)
    return _answer(_keep(control_plane, stored, proposal))


def _with_desires(
    control_plane: ControlPlane, spec_graph_id: str, new_desires: Sequence[UserDesire]
) -> StoredSpec:
    specs = control_plane.specs
    is_begun = spec_graph_id != HEAD or control_plane.head is not None
    stored = specs.load(spec_graph_id) if is_begun else specs.first()
    if not new_desires:
        return stored
    graph, ids = add_desires(stored.graph, new_desires)
    return StoredSpec(graph, SpecRecord(tuple(ids), stored.id))


def _answer(plan: Plan) -> dict[str, Json]:
    written: Mapping[str, Any] = plan.proposal.to_dict()
    return {"plan_id": plan.id, "morphs": written["morphs"], "tests": written["tests"]}


def rebase(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Recompute a plan on the specification of the app; the plan before is dropped."""
    plan = control_plane.plans.load(reference)
    state = control_plane.plans.state(plan)
    if state.is_final or state.is_deploying:
        raise PlanRefused(f"{plan.id} is {state}", hint="only a plan that waits is rebased")
    head = control_plane.head
    if head is None:
        raise PlanRefused("the app has no specification yet", hint="deploy its first plan")
    graph, ids = add_desires(head, plan.desires)
    stored = StoredSpec(graph, SpecRecord(tuple(ids), spec_id(head)))
    new = _keep(control_plane, stored, plan.proposal, instead_of=plan)
    return {**describe_plan(control_plane, new.id), "instead_of": plan.id}


def drop(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Drop a plan, so that it is not deployed and collides with no other.

    A corrupt plan can be dropped, and one whose deployment failed or was killed, until its release
    has replaced the running one; not while a process deploys it. `next` is the command that takes
    its promoted result off the branch, or empty.
    """
    plans, state = control_plane.plans, None
    id_ = plans.find(reference)
    command = f"attractor grow drop {id_}"
    with (
        FileLock(plans.folder_of(id_) / DEPLOYMENT_LOCK).acquire(purpose=command),
        control_plane.lock().acquire(purpose=command),
    ):
        with suppress(InvalidMorph):
            state = plans.recorded_state(id_)
        if state is PlanState.DEPLOYED or Releases(control_plane.releases).include(id_):
            raise PlanRefused(f"{id_} is deployed", hint="undo it: attractor grow rollback")
        plans.drop(id_, "by hand")
    next_ = asyncio.run(undoing_command(control_plane, id_))
    return {"plan_id": id_, "state": PlanState.DROPPED.value, "next": next_}


def _keep(
    control_plane: ControlPlane,
    stored: StoredSpec,
    proposal: Proposal,
    *,
    instead_of: Plan | None = None,
) -> Plan:
    """Check and store a plan, under the lock."""
    plans = control_plane.plans
    development = read_development(control_plane.repository)
    with control_plane.lock():
        plan = make_plan(
            stored.graph,
            proposal,
            development,
            head=control_plane.head,
            desires=stored.desires,
            is_first=not read_stages(control_plane.repository),
            is_dropped=plans.is_dropped,
        )
        control_plane.specs.save(stored.graph, stored.record)
        plans.save(plan)
        if instead_of and plan.id != instead_of.id:
            plans.drop(instead_of.id, f"rebased as {plan.id}")
    return plan


def describe_plan(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return a plan with its state, the verdicts of rules on each morph, findings and collisions.

    `gates` says what changes for a gate, its evidence included. `without_effect` are relations of
    an earlier version to nodes that they do not allow. `without_refusal` are triggers that cannot
    refuse a record, `told_by_steps` steps that may tell others what only some see, and
    `changed_sight` fields that roles see no more or from now on. `plain` is what a build without a
    model leaves plain. `services` are the addresses that its app calls by the settings, by adapter.
    """
    plan = control_plane.plans.load(reference)
    identity = control_plane.coverage(plan)
    steps = plan.steps
    moves = list[Json](step.migration.describe() for step in steps if step.migration)
    return {
        "plan_id": plan.id,
        "plan_hash": plan.hash,
        "state": control_plane.plans.state(plan).value,
        "base": spec_id(plan.base),
        "result": spec_id(plan.result),
        "risk": plan.risk.value,
        "is_first": plan.is_first,
        "desires": [desire.goal for desire in plan.desires],
        "morphs": [step.to_dict() for step in steps],
        "tests": list[Json](plan.tests),
        "identity": write_record(identity),
        "gates": list[Json](_gate_lines(control_plane, plan)),
        "without_effect": list[Json](wrong_relations(plan.result)),
        "without_refusal": list[Json](without_refusal(plan.result)),
        "told_by_steps": list[Json](told_by_steps(plan.result)),
        "changed_sight": list[Json](changed_sight(plan.base, plan.result)),
        "irreversible": [step.id for step in steps if not step.is_reversible],
        "migrations": [] if plan.is_first else moves,
        "plain": list[Json](asyncio.run(plain_parts(control_plane, plan))),
        "services": {**configured_urls(control_plane.project, declared_operations(plan.result))},
        **check(control_plane, plan.id),
    }


def _gate_lines(control_plane: ControlPlane, plan: Plan) -> Sequence[str]:
    """Return what the morphs of a plan change for gates, by gate."""
    development = read_development(control_plane.repository)
    return [
        f"{change} ({step.id})"
        for step in plan.steps
        for change in gate_changes(plan.base, step.before, step.after, development)
    ]


def check(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Check a plan again; return reasons against it, and collisions with open plans."""
    plan = control_plane.plans.load(reference)
    found = control_plane.check(plan)
    return {
        "plan_id": plan.id,
        "deployable": found.is_deployable,
        "findings": [write_fields(finding) for finding in found.findings],
        "collisions": [
            {
                "plan_id": one.other(plan.id),
                "reason": one.reason,
                "remedy": way_out(control_plane, plan, one),
            }
            for one in found.collisions
        ],
        "next": next_command(control_plane, plan, found),
    }


def review(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the description of a plan for the person who reviews it, with the checks of now."""
    plan = control_plane.plans.load(reference)
    found = control_plane.check(plan)
    now = checks_text(
        plan, control_plane.coverage(plan), found.collisions, _gate_lines(control_plane, plan)
    )
    return {"plan_id": plan.id, "mutation": f"{control_plane.plans.mutation(plan)}{now}"}


def required_depth(control_plane: ControlPlane, reference: str) -> Depth:
    """Return the depth that the risk of a plan needs."""
    return depth_for(control_plane.plans.load(reference).risk)


def simulate(
    control_plane: ControlPlane, reference: str, depth: Depth = Depth.SPEC
) -> dict[str, Json]:
    """Simulate a plan, or build and rehearse it; return the answer of `POST /growth/simulate`."""
    plan = control_plane.plans.load(reference)
    require_kept(control_plane, plan)

    async def work() -> Simulation:
        current = Releases(control_plane.releases).current
        running = AppFolders(current.tree, current.state) if current else None
        if depth is Depth.SPEC:
            return await simulate_plan(control_plane, plan, running=running)
        return await rehearse_plan(
            control_plane,
            plan,
            branch=await branch_of(control_plane),
            pipeline=await crew_pipeline(control_plane, plan),
            running=running,
        )

    report = asyncio.run(work())
    record = cast("dict[str, Json]", report.model_dump(mode="json"))
    return {key: record[key] for key in SIMULATION_KEYS}


def describe_simulation(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the deepest simulation of a plan as it is now, with the faults that block it."""
    plan = control_plane.plans.load(reference)
    folder = control_plane.plans.folder_of(plan.id)
    found = simulations_of(folder, plan.hash)
    if not found:
        hint = f"attractor grow simulate {plan.id}"
        was_simulated = any((folder / FOLDER).glob("*"))
        words = "changed after its simulation" if was_simulated else "was not simulated"
        raise UsageError(f"{plan.id} {words}", hint=hint)
    report = found[0]
    record = cast("dict[str, Json]", report.model_dump(mode="json"))
    place = folder / FOLDER / report.simulation_id
    faults = list[Json](report.faults)
    next_ = next_command(control_plane, plan, control_plane.check(plan))
    # A repeated rehearsal has no events, and a server looks for the run in the first line.
    run = {"run_id": report.rehearsal.run_id} if report.rehearsal else {}
    return {**record, **run, "faults": faults, "folder": str(place), "next": next_}


def feedback(
    control_plane: ControlPlane, *, telemetry: Path | None = None, run: str = ""
) -> dict[str, Json]:
    """Keep counts of the app, or the verdict on a run, for the next plan that a model makes."""
    kept = load_feedback(control_plane.folder) or AppFeedback()
    if telemetry:
        kept |= read_telemetry(telemetry)
    if run:
        kept |= read_verdict(find_run(run, control_plane.project.runs_dir) / FEEDBACK_FILE)
    save_feedback(kept, control_plane.folder)
    return kept.to_dict()


def status(control_plane: ControlPlane) -> dict[str, Json]:
    """Return all plans with their states and next commands."""
    return {
        "plans": [_row(control_plane, id_) for id_ in control_plane.plans.ids()],
        "without_effect": list[Json](control_plane.without_effect),
    }


def _row(control_plane: ControlPlane, id_: str) -> dict[str, Json]:
    """Return a plan of the list; the records of a corrupt plan do not hide the other plans."""
    plans = control_plane.plans
    try:
        plan = plans.load(id_)
        state = plans.state(plan)
    except AttractorError as fault:
        return _corrupt_row(control_plane, id_, fault)
    checked: dict[str, Json] = {}
    if not state.is_final:
        try:
            checked = check(control_plane, id_)
        except InvalidDevelopment as fault:
            checked = {"findings": [{"message": fault.message, "hint": fault.hint}]}
    return {
        "plan_id": id_,
        "state": state.value,
        "risk": plan.risk.value,
        "base": spec_id(plan.base),
        "result": spec_id(plan.result),
        "morphs": len(plan.morphs),
        "findings": [],
        "collisions": [],
        "next": "",
        **checked,
    }


def _corrupt_row(control_plane: ControlPlane, id_: str, fault: AttractorError) -> dict[str, Json]:
    plans = control_plane.plans
    is_dropped = plans.is_dropped(id_)
    remedy = "" if is_dropped else f"attractor grow drop {id_}"
    finding: dict[str, Json] = {"kind": "corrupt", "message": fault.message, "hint": remedy}
    return {
        "plan_id": id_,
        "state": (PlanState.DROPPED if is_dropped else PlanState.CORRUPT).value,
        **{"risk": "", "base": "", "result": "", "morphs": 0},
        "findings": [finding],
        "collisions": [],
        "next": remedy,
    }

"""The one door of growth for the command line and the server.

`plan` returns exactly the keys of its HTTP answer; the others return the record that a command
prints with `--json`.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.json import Json
from attractor.base.records import write_record
from attractor.engine.state.run_state import APPROVED, AWAITING_ANSWER, AWAITING_DECISION
from attractor.factory.evaluation.feedback import FEEDBACK_FILE
from attractor.factory.evaluation.run_facts import read_facts
from attractor.growth.apps.verification import verify_app
from attractor.growth.building.crew_run import find_crew_run, read_build
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.deploy import (
    Deployment,
    branch_of,
    crew_pipeline,
    deploy as deploy_plan,
)
from attractor.growth.deployment.history import read_history
from attractor.growth.deployment.monitor import compare_telemetry
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.rollback import roll_back
from attractor.growth.deployment.target import target_registry
from attractor.growth.desires import PlannerInput, UserDesire, read_desires
from attractor.growth.development import read_development
from attractor.growth.errors import InvalidDesire, InvalidSpec, PlanRefused
from attractor.growth.identity import coverage
from attractor.growth.lineage import draw_lineage, read_stages
from attractor.growth.normalize.free_text import add_text, normalize_text
from attractor.growth.normalize.reading import Given, free_text
from attractor.growth.normalize.structured import add_desires, normalize_desires
from attractor.growth.plans.checks import find_unclear
from attractor.growth.plans.collisions import Collision, find_collisions
from attractor.growth.plans.feedback import (
    AppFeedback,
    load_feedback,
    move_feedback,
    read_telemetry,
    read_verdict,
    save_feedback,
)
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, Proposal
from attractor.growth.plans.planner import propose
from attractor.growth.plans.planning import make_plan, refusal
from attractor.growth.plans.store import PlanState
from attractor.growth.simulation.report import Simulation, simulations_of
from attractor.growth.simulation.simulations import FOLDER, rehearse_plan, simulate_plan
from attractor.growth.spec.clarifications import answer_question
from attractor.growth.spec.difference import compare_specs
from attractor.growth.spec.document import write_document
from attractor.growth.spec.files import node_path, node_text, write_spec
from attractor.growth.spec.graph import ROOT, SpecGraph
from attractor.growth.spec.index import SpecIndex
from attractor.growth.spec.rendering import Column, DiagramFormat, SpecView, render_spec
from attractor.growth.spec.store import HEAD, SpecRecord, StoredSpec, spec_id
from attractor.growth.spec.summary import summary_of
from attractor.pipeline.runs.lookup import find_run

SIMULATION_KEYS = ("simulation_id", "diff", "files", "risks", "screenshots")
"""The keys of the answer of `POST /growth/simulate`."""


def normalize(control_plane: ControlPlane, desires: object, base: str = "") -> dict[str, Json]:
    """Answer `POST /spec/normalize`: desires as objects, or free text."""
    if isinstance(desires, list) and desires:
        items = cast("list[object]", desires)
        if all(isinstance(one, str) for one in items):
            desires = "\n\n".join(cast("list[str]", items))
        elif any(isinstance(one, str) for one in items):
            hint = "write all desires as objects with a goal, or all as text"
            raise InvalidDesire("desires are partly objects and partly text", hint=hint)
    given: Given = (
        free_text(desires) if isinstance(desires, str) else read_desires(cast("Any", desires))
    )
    return normalize_given(control_plane, given, base)


def normalize_given(control_plane: ControlPlane, given: Given, base: str = "") -> dict[str, Json]:
    """Store the specification of a document, of desires or of a free text, and describe it.

    On a base, only desires are added.
    """
    specs, host = control_plane.specs, control_plane.host
    if isinstance(given, PlannerInput):
        if base and base != given.spec_graph_id:
            message = f"the desires are for {given.spec_graph_id}, not for {base}"
            raise InvalidDesire(message, hint="remove --base, or spec_graph_id")
        base, given = given.spec_graph_id, given.new_desires
    if base:
        return _add_to_base(control_plane, specs.load(base), given)
    match given:
        case SpecGraph():
            graph = given
        case str():
            graph = asyncio.run(normalize_text(given, host))
        case _:
            graph = normalize_desires(given)
    record = SpecRecord(tuple(one.id for one in graph.of_kind("desire")))
    return describe_spec(specs.load(specs.save(graph, record)))


def _add_to_base(
    control_plane: ControlPlane, base: StoredSpec, given: SpecGraph | str | Sequence[UserDesire]
) -> dict[str, Json]:
    """Store a base with desires; desires that were added to it before stay new."""
    match given:
        case SpecGraph():
            hint = "add desires; a plan changes the rest"
            raise InvalidSpec("a document cannot be added to a specification", hint=hint)
        case str():
            graph, ids = asyncio.run(add_text(base.graph, given, control_plane.host))
        case _:
            graph, ids = add_desires(base.graph, given)
    specs = control_plane.specs
    # The base may be the specification in the repository, which is not stored.
    specs.save(base.graph, base.record)
    earlier = base.record.desires if base.base else ()
    record = SpecRecord(tuple(dict.fromkeys([*earlier, *ids])), base.base or base.id)
    return describe_spec(specs.load(specs.save(graph, record)))


def show_spec(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Return a specification with the keys of `POST /spec/normalize`."""
    return describe_spec(control_plane.specs.load(spec_graph_id))


def describe_spec(spec: StoredSpec) -> dict[str, Json]:
    """Return the answer of `POST /spec/normalize`."""
    nodes = list(spec.graph.below(ROOT))
    return {
        "spec_graph_id": spec.id,
        "spec_summary": summary_of(spec),
        "nodes": [
            {"id": one.id, "kind": one.kind, "fields": dict(one.fields), "hash": one.hash}
            for one in nodes
        ],
        "edges": [
            {"source": one.id, "relation": edge.relation.value, "target": edge.to}
            for one in nodes
            for edge in one.edges
        ],
        "provenance": {
            one.id: {"by": one.provenance.by.value, **write_record(one.provenance)} for one in nodes
        },
        "clarifications": [
            {"node": one.node, "question": one.question} for one in spec.clarifications
        ],
    }


def answer_clarification(
    control_plane: ControlPlane, spec_graph_id: str, node: str, answer: str
) -> dict[str, Json]:
    """Store a specification with the answer to the first open question of a node."""
    specs = control_plane.specs
    stored = specs.load(spec_graph_id)
    graph, answered = answer_question(stored.graph, node, answer)
    record = stored.record
    if spec_graph_id == HEAD:
        specs.save(stored.graph)
        record = SpecRecord(base=stored.id)
    id_ = specs.save(graph, record)
    return {
        "answered": {"node": answered.node, "question": answered.question},
        **describe_spec(specs.load(id_)),
    }


def export_document(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Return a specification as a document in YAML."""
    spec = control_plane.specs.load(spec_graph_id)
    return {"spec_graph_id": spec.id, "document": write_document(spec.graph)}


def export_files(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Write the files of a specification into the repository of an app without a specification."""
    spec = control_plane.specs.load(spec_graph_id)
    head = control_plane.head
    if head is not None and head.spec_hash != spec.graph.spec_hash:
        message = f"{control_plane.repository} already contains the specification {spec_id(head)}"
        raise Refused(message, hint="change it by a plan: attractor grow plan")
    write_spec(spec.graph, control_plane.repository)
    files: list[Json] = [str(node_path(one)) for one in spec.graph.below(ROOT)]
    return {"spec_graph_id": spec.id, "files": files}


def compare(control_plane: ControlPlane, before: str, after: str) -> dict[str, Json]:
    """Return the changes between two specifications."""
    specs = [control_plane.specs.load(one) for one in (before, after)]
    changes: list[Json] = [
        {"text": one.describe(), **write_record(one)}
        for one in compare_specs(*(one.graph for one in specs))
    ]
    return {"before": specs[0].id, "after": specs[1].id, "changes": changes}


def render(
    control_plane: ControlPlane, spec_graph_id: str, mode: str, format: str = "svg"
) -> dict[str, Json]:
    """Answer `GET /render/:id?mode=`: a specification as a diagram."""
    view = _choice(SpecView, mode, "mode")
    chosen = _choice(DiagramFormat, format, "format")
    spec = control_plane.specs.load(spec_graph_id)
    columns = columns_of(control_plane, spec.graph) if view is SpecView.BOARD else None
    diagram = asyncio.run(render_spec(spec.graph, view, chosen, columns=columns))
    return {
        "spec_graph_id": spec.id,
        "mode": view.value,
        "format": chosen.value,
        "diagram": diagram,
    }


Choice = TypeVar("Choice", bound=StrEnum)


def _choice(type_: type[Choice], word: str, noun: str) -> Choice:
    try:
        return type_(word)
    except ValueError:
        known = ", ".join(one.value for one in type_)
        raise UsageError(f"unknown {noun} {word!r}", hint=f"choose one: {known}") from None


_COLUMN_OF_STATE: Mapping[PlanState, Column] = {
    PlanState.DEPLOYING: Column.IN_PROGRESS,
    PlanState.PARKED: Column.REVIEW,
}


def columns_of(control_plane: ControlPlane, graph: SpecGraph) -> Mapping[str, Column]:
    """Return the columns of nodes on a board: deployed, or in a plan that is being deployed.

    All other nodes wait.
    """
    columns: dict[str, Column] = {}
    head = control_plane.head
    if head is not None and read_stages(control_plane.repository):
        same = (id_ for id_ in graph.keys() & head.keys() if graph[id_].hash == head[id_].hash)
        columns = dict.fromkeys(same, Column.DONE)
    for plan in control_plane.plans.open_plans():
        column = _COLUMN_OF_STATE.get(control_plane.plans.state(plan))
        if column:
            changed = {one.id for one in compare_specs(plan.base, plan.result)}
            columns |= dict.fromkeys(changed & graph.keys(), column)
    return columns


def list_specs(control_plane: ControlPlane) -> list[Json]:
    """Return all stored specifications, oldest first."""
    return [write_record(one) for one in _index_of(control_plane).versions()]


def show_node(control_plane: ControlPlane, spec_graph_id: str, words: str) -> dict[str, Json]:
    """Return a node, where it comes from, and its versions in all stored specifications."""
    graph = control_plane.specs.load(spec_graph_id).graph
    node = graph.find(words)
    history = _index_of(control_plane).history(node.id)
    record = cast("dict[str, Json]", json.loads(node_text(node)))
    return {**record, "hash": node.hash, "versions": [write_record(one) for one in history]}


def reindex(control_plane: ControlPlane) -> dict[str, Json]:
    """Build the index of stored specifications again."""
    return _index_of(control_plane).rebuild().to_dict()


def _index_of(control_plane: ControlPlane) -> SpecIndex:
    return SpecIndex(control_plane.index, control_plane.specs)


def plan(
    control_plane: ControlPlane, spec_graph_id: str, new_desires: Sequence[UserDesire] = ()
) -> dict[str, Json]:
    """Let a model plan morphs and tests for desires; return plan id, morphs and tests.

    The desires are added to the specification (default: those that it adds to its base).
    """
    stored = _with_desires(control_plane, spec_graph_id, new_desires)
    if not stored.desires:
        hint = "pass desires, or the id of a specification from 'attractor spec normalize'"
        raise UsageError(f"no desires to plan for in {stored.id}", hint=hint)
    if unclear := find_unclear(stored.graph, control_plane.head):
        raise refusal(unclear)
    development = read_development(control_plane.repository)
    feedback = load_feedback(control_plane.folder)
    proposal = asyncio.run(
        propose(control_plane.host, stored.graph, stored.desires, development, feedback)
    )
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
    stored = control_plane.specs.load(spec_graph_id)
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
    if state.is_final or state is PlanState.DEPLOYING:
        raise PlanRefused(f"{plan.id} is {state}", hint="only a plan that waits is rebased")
    head = control_plane.head
    if head is None:
        raise PlanRefused("the app has no specification yet", hint="deploy its first plan")
    graph, ids = add_desires(head, plan.desires)
    stored = StoredSpec(graph, SpecRecord(tuple(ids), spec_id(head)))
    new = _keep(control_plane, stored, plan.proposal, instead_of=plan)
    return {**describe_plan(control_plane, new.id), "instead_of": plan.id}


def drop(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Drop a plan, so that it is not deployed and collides with no other."""
    plan = control_plane.plans.load(reference)
    with control_plane.lock():
        state = control_plane.plans.state(plan)
        if state is PlanState.DEPLOYED:
            raise PlanRefused(f"{plan.id} is deployed", hint="undo it: attractor grow rollback")
        if state is PlanState.DEPLOYING:
            hint = f"finish it: attractor grow deploy {plan.id}"
            raise PlanRefused(f"{plan.id} is being deployed", hint=hint)
        control_plane.plans.drop(plan.id, "by hand")
    return {"plan_id": plan.id, "state": PlanState.DROPPED.value}


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
            is_dropped=plans.is_dropped,
        )
        others = [one for one in plans.open_plans() if not instead_of or one.id != instead_of.id]
        collisions = find_collisions(plan, others, development.identity)
        control_plane.specs.save(stored.graph, stored.record)
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


def simulate(
    control_plane: ControlPlane, reference: str, *, rehearse: bool = False
) -> dict[str, Json]:
    """Simulate a plan, or build and rehearse it; return the answer of `POST /growth/simulate`."""
    plan = control_plane.plans.load(reference)

    async def work() -> Simulation:
        current = Releases(control_plane.releases).current
        return await rehearse_plan(
            control_plane,
            plan,
            branch=await branch_of(control_plane),
            pipeline=crew_pipeline(control_plane),
            running=current.tree if current else None,
        )

    report = asyncio.run(work()) if rehearse else simulate_plan(control_plane, plan)
    record = cast("dict[str, Json]", report.model_dump(mode="json"))
    return {key: record[key] for key in SIMULATION_KEYS}


def describe_simulation(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the deepest simulation of a plan as it is now, with what blocks a deployment."""
    plan = control_plane.plans.load(reference)
    folder = control_plane.plans.folder_of(plan.id)
    found = simulations_of(folder, plan.hash)
    if not found:
        hint = f"attractor grow simulate {plan.id}"
        raise UsageError(f"{plan.id} was not simulated as it is now", hint=hint)
    report = found[0]
    record = cast("dict[str, Json]", report.model_dump(mode="json"))
    place = folder / FOLDER / report.simulation_id
    faults = list[Json](report.faults)
    return {**record, "risk": plan.risk.value, "faults": faults, "folder": str(place)}


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


def verify(control_plane: ControlPlane, *, reconverge: bool = False) -> dict[str, Json]:
    """Compare the app with its specification and the promoted tree; restore what was edited."""
    with control_plane.lock() if reconverge else nullcontext():
        found = asyncio.run(verify_app(control_plane.host, reconverge=reconverge))
    return found.to_dict()


def deploy(
    control_plane: ControlPlane,
    reference: str,
    *,
    by: str,
    pipeline: Path | None = None,
    target: str = "local",
    variant: str = "",
) -> dict[str, Json]:
    """Deploy a plan as far as people and gate let it; return run, stage and what it waits for."""
    plan = control_plane.plans.load(reference)
    file = pipeline or crew_pipeline(control_plane)
    place = target_registry()[target]

    async def work() -> Deployment:
        branch = await branch_of(control_plane)
        return await deploy_plan(
            control_plane, plan, branch=branch, pipeline=file, target=place, by=by, variant=variant
        )

    return asyncio.run(work()).to_dict()


_WAITS_FOR = {AWAITING_DECISION: "decision", AWAITING_ANSWER: "answer", APPROVED: ""}


def deployment(control_plane: ControlPlane, reference: str) -> dict[str, Json]:
    """Return the answer of `POST /growth/deploy`: the run, the stage and what it waits for."""
    plan = control_plane.plans.load(reference)
    host = control_plane.host
    build = read_build(control_plane.plans.folder_of(plan.id))
    run = find_crew_run(host, build.commit) if build else None
    if build is None or run is None:
        hint = f"attractor grow deploy {plan.id}"
        raise UsageError(f"the deployment of {plan.id} has not begun", hint=hint)
    facts = read_facts(run)
    waits_for = _WAITS_FOR.get(facts.state.status, "run")
    return {"run_id": facts.run_id, "stage_id": build.stage, "waits_for": waits_for}


def rollback(
    control_plane: ControlPlane, to: str = "", *, by: str, target: str = "local"
) -> dict[str, Json]:
    """Roll back to a stage (default: the one before), as far as people and gate let it."""
    place = target_registry()[target]

    async def work() -> Deployment:
        branch = await branch_of(control_plane)
        return await roll_back(control_plane, to, branch=branch, target=place, by=by)

    return asyncio.run(work()).to_dict()


def lineage(control_plane: ControlPlane, reference: str = "HEAD") -> dict[str, Json]:
    """Return the answer of `GET /lineage/:id`: all stages, and the one with an id.

    `changes` compare the telemetry of the running stage with that of the stage before. The id is
    `HEAD` (the running stage), a stage, or the specification of a stage.
    """
    history = asyncio.run(read_history(control_plane.host))
    stages = [one.stage for one in history]
    releases = Releases(control_plane.releases)
    current = releases.current
    running = current.record.stage if current else ""
    wanted = running if reference == "HEAD" else reference
    named = [one for one in stages if wanted in (one.stage, f"sg-{one.spec_hash[:12]}")]
    if wanted and not named:
        raise UnknownName("stage", reference, [one.stage for one in stages])
    return {
        "id": named[-1].stage if named else "",
        "running": running,
        "stages": [one.to_dict() for one in history],
        "changes": [one.to_dict() for one in compare_telemetry(releases)],
        "mermaid": draw_lineage(stages),
    }

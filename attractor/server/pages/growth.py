"""The pages of growth: specifications, plans with their simulations, and the lineage of an app."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, cast

from fastapi import Form, Query, Request
from fastapi.responses import Response

from attractor.base.errors import UnknownName, UsageError
from attractor.base.files import read_file
from attractor.base.json import Json, JsonObject, canonical_json
from attractor.growth.api import deployments, plans, specs
from attractor.growth.control_plane import ControlPlane
from attractor.growth.errors import InvalidMorph
from attractor.growth.lineage import StageKind
from attractor.growth.plans.store import PlanState
from attractor.growth.simulation.report import Simulation, simulations_of
from attractor.growth.simulation.simulations import FOLDER
from attractor.growth.specification.rendering import (
    Diagram,
    DiagramFormat,
    Line,
    SpecView,
    render_diagram,
)
from attractor.growth.specification.store import StoredSpec, spec_id
from attractor.language.diagnostics import DrawingFailed, NoDrawingProgram
from attractor.server.html.rendering import PageRouter, after, in_address, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.processes.run_processes import RunCommand
from attractor.server.service import Service

part = PageRouter("Growth", "/growth", position=7)

Word = Annotated[str, Query(max_length=100)]
FieldText = Annotated[str, Form(max_length=20_000)]

LOOKS: Mapping[str, str] = {
    PlanState.OPEN: "unreached",
    PlanState.SIMULATED: "unreached",
    PlanState.DEPLOYING: "running",
    PlanState.INTERRUPTED: "failed",
    PlanState.PARKED: "waiting",
    PlanState.FAILED: "failed",
    PlanState.DEPLOYED: "done",
    PlanState.DROPPED: "skipped",
    PlanState.CORRUPT: "failed",
    "low": "pass",
    "medium": "flaky",
    "high": "fail",
}
"""The state of the pages that a state of a plan, or a risk, looks like."""

_PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}

BEGIN = """attractor spec normalize spec.yaml      # or: attractor spec normalize "what you wish"
attractor spec export SPEC --files
attractor grow plan SPEC"""


@part.get("/growth", dependencies=[READ])
def show_growth(request: Request, service: ProjectService) -> Response:
    """Show the specifications and the plans of the app, newest specification first."""
    plane = _plane(service)
    head = plane.head
    rows = cast("list[dict[str, Any]]", plans.status(plane)["plans"])
    values = {
        "head": spec_id(head) if head else "",
        "purpose": head.root.fields["purpose"] if head else "",
        "specs": list(reversed(specs.list_specs(plane))),
        "plans": rows,
        "looks": LOOKS,
        "begin": BEGIN,
    }
    return render(request, "growth/overview.html.j2", values)


@part.get("/growth/specs/{id}", dependencies=[READ, IN_TURN])
def show_spec(
    request: Request, service: ProjectService, id: str, mode: Word = SpecView.FLOWCHART.value
) -> Response:
    """Show a specification: drawing, nodes, open questions and desires."""
    plane = _plane(service)
    stored = plane.specs.load(id)
    svg, fault = _drawn(lambda: str(specs.render(plane, id, mode)["diagram"]))
    values = {
        "id": id,
        "spec": stored,
        "shown": specs.describe_spec(stored),
        "rows": _node_rows(stored),
        "desires": [desire.to_dict() for desire in stored.desires],
        "modes": list(SpecView),
        "mode": mode,
        "svg": svg,
        "fault": fault,
        "text_of": text_of,
    }
    return render(request, "growth/spec.html.j2", values)


def _node_rows(stored: StoredSpec) -> Sequence[Mapping[str, object]]:
    """Return the nodes with their relations, except for `contains`, which their order shows."""
    record = cast("dict[str, Any]", specs.describe_spec(stored))
    relations: dict[str, dict[str, list[str]]] = {}
    for edge in record["edges"]:
        if edge["relation"] != "contains":
            of_node = relations.setdefault(edge["source"], {})
            of_node.setdefault(edge["relation"], []).append(edge["target"])
    return [
        {
            **node,
            "relations": relations.get(node["id"], {}),
            "provenance": {
                key: one for key, one in record["provenance"][node["id"]].items() if one
            },
        }
        for node in record["nodes"]
    ]


def text_of(value: Json) -> str:
    """Return the value of a field as a person reads it."""
    if isinstance(value, list):
        return "; ".join(map(text_of, value))
    return value if isinstance(value, str) else canonical_json(value)


@part.post("/growth/specs/{id}/answer", dependencies=[OPERATE])
def answer(service: ProjectService, id: str, node: FieldText, text: FieldText) -> Response:
    """Answer the first open question of a node, which makes another specification."""

    def act() -> tuple[str, str]:
        made = specs.answer_clarification(_plane(service), id, node, _lf(text))
        return _spec_address(service, made["spec_graph_id"]), f"Answered the question about {node}."

    return after(act, _spec_address(service, id))


@part.post("/growth/specs/{id}/desires", dependencies=[OPERATE, IN_TURN])
def add_desire(
    service: ProjectService,
    id: str,
    *,
    goal: FieldText,
    constraints: FieldText = "",
    trusted_sources: FieldText = "",
    outputs: FieldText = "",
    cadence: FieldText = "",
    preferences: FieldText = "",
) -> Response:
    """Add a desire to a specification, which makes another specification."""

    def act() -> tuple[str, str]:
        desire = {
            "goal": _lf(goal).strip(),
            "constraints": _lines(constraints),
            "trusted_sources": _lines(trusted_sources),
            "outputs": _lines(outputs),
            "cadence": cadence.strip(),
            "preferences": _lines(preferences),
        }
        made = specs.normalize(_plane(service), [desire], id)
        return _spec_address(service, made["spec_graph_id"]), "Added the desire. Plan for it next."

    return after(act, _spec_address(service, id))


@part.post("/growth/specs/{id}/plan", dependencies=[OPERATE, IN_TURN])
def plan(service: ProjectService, id: str) -> Response:
    """Let a model plan for the desires that a specification adds to its base."""

    def act() -> tuple[str, str]:
        made = plans.plan(_plane(service), id)
        return _plan_address(service, made["plan_id"]), f"{made['plan_id']} is planned."

    return after(act, _spec_address(service, id))


@part.get("/growth/plans/{id}", dependencies=[READ])
def show_plan(request: Request, service: ProjectService, id: str) -> Response:
    """Show a plan with its checks, its deepest simulation, and the state of its deployment."""
    plane = _plane(service)
    described = plans.describe_plan(plane, id)
    found = _simulations(plane, id)
    state = PlanState(str(described["state"]))
    has_deployment = state.is_deploying or state in (PlanState.PARKED, PlanState.DEPLOYED)
    values = {
        "plan": described,
        "address": f"/growth/plans/{in_address(str(described['plan_id']))}",
        "is_final": state.is_final,
        "mutation": _text_for_review(plane, id),
        "simulation": found[0] if found else None,
        "deployment": _deployment(plane, id) if has_deployment else None,
        "looks": LOOKS,
        "text_of": text_of,
    }
    return render(request, "growth/plan.html.j2", values)


def _text_for_review(plane: ControlPlane, id: str) -> Json:
    """Return the description of a plan; an edited one is a finding, which the page shows."""
    try:
        return plans.review(plane, id)["mutation"]
    except InvalidMorph as error:
        return error.message


def _simulations(plane: ControlPlane, id: str) -> Sequence[Simulation]:
    plan = plane.plans.load(id)
    return simulations_of(plane.plans.folder_of(plan.id), plan.hash)


def _deployment(plane: ControlPlane, id: str) -> JsonObject | None:
    try:
        return deployments.deployment(plane, id)
    except UsageError:
        # Its run has not begun.
        return None


@part.get("/growth/plans/{id}/pictures/{simulation}/{name}", dependencies=[READ])
def show_picture(service: ProjectService, id: str, simulation: str, name: str) -> Response:
    """Show a picture that a report names; an SVG gets the policy of drawings."""
    plane = _plane(service)
    named = [one for one in _simulations(plane, id) if one.simulation_id == simulation]
    names = [
        screenshot
        for report in named
        for screenshot in report.screenshots
        if PurePath(screenshot).name == screenshot and PurePath(screenshot).suffix in _PICTURES
    ]
    if name not in names:
        raise UnknownName("picture", name, names)
    file = plane.plans.folder_of(named[0].plan_id) / FOLDER / simulation / name
    content = read_file(file)
    return Response(content, media_type=_PICTURES[file.suffix])


@part.post("/growth/plans/{id}/simulate", dependencies=[OPERATE, IN_TURN])
def simulate(service: ProjectService, id: str) -> Response:
    """Simulate a plan from its specification alone."""

    def act() -> tuple[str, str]:
        plans.simulate(_plane(service), id)
        return _plan_address(service, id), "Simulated the plan."

    return after(act, _plan_address(service, id))


@part.post("/growth/plans/{id}/rehearse", dependencies=[OPERATE])
def rehearse(service: ProjectService, caller: Calling, id: str) -> Response:
    """Let the crew build a plan, and try the result; show the run meanwhile."""

    def act() -> tuple[str, str]:
        plan = _plane(service).plans.load(id)
        command = RunCommand("grow simulate", [plan.id], ["--rehearse"])
        run = service.processes.start(command, by=caller.name)
        said = f"The crew builds {plan.id}. The page of the plan shows the rehearsal afterwards."
        return f"/runs/{in_address(run)}", said

    return after(act, _plan_address(service, id))


@part.post("/growth/plans/{id}/deploy", dependencies=[OPERATE])
def deploy(service: ProjectService, caller: Calling, id: str) -> Response:
    """Begin the deployment of a plan, or continue it after a decision; it never decides."""

    def act() -> tuple[str, str]:
        plan = _plane(service).plans.load(id)
        service.processes.start(RunCommand("grow deploy", [plan.id]), by=caller.name)
        said = "The deployment has begun. It waits for a decision of a person."
        return _plan_address(service, id), said

    return after(act, _plan_address(service, id))


@part.get("/growth/lineage", dependencies=[READ])
def show_lineage(request: Request, service: ProjectService) -> Response:
    """Show the stages of the app, drawn and as a table."""
    plane = _plane(service)
    empty: dict[str, Json] = {"running": "", "stages": [], "changes": []}
    lineage = cast("dict[str, Any]", deployments.lineage(plane) if plane.head else empty)
    stages = lineage["stages"]
    diagram = lineage_diagram(stages)
    svg, fault = (
        _drawn(lambda: asyncio.run(render_diagram(diagram, DiagramFormat.SVG)))
        if stages
        else ("", "")
    )
    values = {
        "lineage": lineage,
        "stages": list(reversed(stages)),
        "svg": svg,
        "fault": fault,
        "begin": BEGIN,
    }
    return render(request, "growth/lineage.html.j2", values)


def lineage_diagram(stages: Sequence[Mapping[str, Any]]) -> Diagram:
    """Return the stages as boxes with their kinds; all but small steps have a label."""
    boxes = {stage["version"]: f"{stage['kind']} {stage['version']}" for stage in stages}
    lines: list[Line] = []
    for stage in stages:
        label = stage["kind"] if stage["kind"] in (StageKind.MAJOR, StageKind.VARIANT) else ""
        if stage["parent"]:
            lines.append(Line(stage["parent"], stage["version"], label))
        if stage.get("returns_to"):
            lines.append(Line(stage["version"], stage["returns_to"], "returns to"))
    return Diagram("TD", boxes, lines)


def _drawn(draw: Callable[[], str]) -> tuple[str, str]:
    """Return a drawing, or why there is none: the other parts of a page do not need it."""
    try:
        return draw(), ""
    except (NoDrawingProgram, DrawingFailed) as error:
        return "", f"{error.message}: {error.hint}"


def _plane(service: Service) -> ControlPlane:
    return ControlPlane(service.project)


def _spec_address(service: Service, id: Json) -> str:
    return f"/growth/specs/{in_address(str(id))}{service.here}"


def _plan_address(service: Service, id: Json) -> str:
    return f"/growth/plans/{in_address(str(id))}{service.here}"


def _lf(text: str) -> str:
    """Return a text of a form, whose line ends have two characters."""
    return text.replace("\r\n", "\n")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())

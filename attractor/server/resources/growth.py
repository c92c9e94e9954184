"""Growth over HTTP: normalize desires, plan, simulate and deploy; lineage and drawings of an app.

The paths are those of the seed. A deployment never decides: it waits for a decision.
"""

import json
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from attractor.growth.api import deployments, plans, specs
from attractor.growth.api.story import story
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.start import start_by_order
from attractor.growth.desires import UserDesire, read_desires
from attractor.growth.simulation.report import Depth
from attractor.growth.specification.rendering import DiagramFormat, SpecView
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import Body, Word
from attractor.server.processes.run_processes import RunCommand
from attractor.server.service import Service

part = APIRouter(tags=["growth"], responses=problem_statuses(400, 404, 409))


def _require_utf8(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as cause:
        raise ValueError("contains half of a surrogate pair") from cause
    return value


Desires = Annotated[JsonValue, AfterValidator(_require_utf8)]
_DESIRE = {"anyOf": [{"type": "string", "minLength": 1}, UserDesire.model_json_schema()]}
Desire = Annotated[Desires, WithJsonSchema(_DESIRE)]
"""A desire or its goal; `read_desires` names the fault of another value, and the known keys."""


class DesiresBody(Body):
    """Desires or a document to turn into a specification."""

    desires: Desires = Field(
        description="Desires or the document of a specification, as JSON or as text in YAML; "
        "other text goes to a model."
    )
    base: Word = Field(default="", description="The id of a specification that desires add to.")


class PlanBody(Body):
    """A specification, and desires to plan for."""

    spec_graph_id: Word = Field(description="The id of a specification, or HEAD.")
    new_desires: list[Desire] = Field(
        default_factory=list[Desire],
        max_length=1000,
        description="Desires, or their goals as texts.",
    )


class PlanReference(Body):
    """A plan."""

    plan_id: Word


class SimulateBody(PlanReference):
    """A plan to simulate."""

    depth: Depth | None = Field(
        default=None, description="spec or rehearsal (default: what the risk of the plan needs)."
    )


class SpecAnswer(BaseModel):
    """A specification."""

    spec_graph_id: str
    spec_summary: JsonValue
    nodes: list[JsonRecord]
    edges: list[JsonRecord]
    provenance: JsonValue
    clarifications: list[JsonRecord]


class PlanAnswer(BaseModel):
    """A plan, with morphs and tests as the planner writes them."""

    plan_id: str
    morphs: list[JsonRecord]
    tests: list[str]


class Diff(BaseModel):
    """The change of a specification in words."""

    summary: str
    changes: list[str]


class SimulationAnswer(BaseModel):
    """The changes that a plan makes."""

    simulation_id: str
    diff: Diff
    files: list[JsonRecord]
    risks: list[str]
    screenshots: list[str]


class DeploymentAnswer(BaseModel):
    """A deployment that began or went on."""

    run_id: str
    stage_id: str
    waits_for: str = Field(description="answer, decision, run, or nothing.")


class AppAnswer(BaseModel):
    """The running app."""

    url: str = Field(description="The address at which it answers.")


class DrawingAnswer(BaseModel):
    """A specification as a diagram."""

    model_config = ConfigDict(extra="forbid")

    spec_graph_id: str
    mode: str
    format: str
    diagram: str


@part.post("/spec/normalize", dependencies=[OPERATE, IN_TURN])
def normalize(service: ProjectService, body: DesiresBody) -> SpecAnswer:
    """Turn desires into a specification, or add them to one."""
    return SpecAnswer.model_validate(specs.normalize(_plane(service), body.desires, body.base))


@part.post("/growth/plan", dependencies=[OPERATE, IN_TURN])
def plan(service: ProjectService, body: PlanBody) -> PlanAnswer:
    """Let a model plan morphs and tests for desires; rules check them."""
    desires = read_desires(body.new_desires) if body.new_desires else ()
    return PlanAnswer.model_validate(plans.plan(_plane(service), body.spec_graph_id, desires))


@part.post("/growth/simulate", dependencies=[OPERATE])
def simulate(service: ProjectService, caller: Calling, body: SimulateBody) -> SimulationAnswer:
    """Simulate a plan; from medium risk on, build it as well and try it on recorded traffic."""
    plane = _plane(service)
    plan = plane.plans.load(body.plan_id)
    depth = body.depth or plans.required_depth(plane, plan.id)
    if depth is Depth.SPEC:
        return SimulationAnswer.model_validate(plans.simulate(plane, plan.id))
    command = RunCommand("grow simulate", [plan.id], ["--rehearse"])
    return SimulationAnswer.model_validate(service.processes.complete(command, by=caller.name))


@part.post("/growth/deploy", dependencies=[OPERATE], status_code=202)
def deploy(service: ProjectService, caller: Calling, body: PlanReference) -> DeploymentAnswer:
    """Begin the deployment of a plan, or continue it after a decision; it never decides."""
    plane = _plane(service)
    plan = plane.plans.load(body.plan_id)
    service.processes.start(RunCommand("grow deploy", [plan.id]), by=caller.name)
    return DeploymentAnswer.model_validate(deployments.deployment(plane, plan.id))


@part.post("/growth/start", dependencies=[OPERATE, IN_TURN])
def start(service: ProjectService) -> AppAnswer:
    """Start the app again after it went down; a stopped app is deployed anew instead."""
    return AppAnswer(url=start_by_order(service.project))


@part.get("/lineage/{id}", dependencies=[READ])
def show_lineage(service: ProjectService, id: str) -> JsonRecord:
    """Show all stages of an app, and the one with an id: a stage, a specification or HEAD."""
    return deployments.lineage(_plane(service), id)


@part.get("/growth/story", dependencies=[READ])
def show_story(service: ProjectService) -> JsonRecord:
    """Show the versions of an app with their wishes, changes in words, and costs."""
    return story(_plane(service))


@part.get("/render/{id}", dependencies=[READ, IN_TURN])
def render(
    service: ProjectService,
    id: str,
    mode: SpecView = SpecView.FLOWCHART,
    format: DiagramFormat = DiagramFormat.SVG,
) -> DrawingAnswer:
    """Draw a specification as a flowchart, mind map or board."""
    return DrawingAnswer.model_validate(specs.render(_plane(service), id, mode, format))


def _plane(service: Service) -> ControlPlane:
    return ControlPlane(service.project)

"""Growth over HTTP: normalize desires, plan and simulate; drawings of an app.

The paths are those of the seed.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from attractor.growth import api
from attractor.growth.control_plane import ControlPlane
from attractor.growth.desires import read_desires
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Serving
from attractor.server.processes.bodies import Body, Word
from attractor.server.service import Service

part = APIRouter(tags=["growth"], responses=problem_statuses(400, 404, 409, 503))

Mode = Annotated[str, Query(max_length=100, description="flowchart, mindmap or board.")]
Format = Annotated[str, Query(max_length=100, description="svg, dot or mermaid.")]


class DesiresBody(Body):
    """Desires to turn into a specification."""

    desires: JsonValue = Field(
        description="Objects with the keys of a desire, or free text for a model."
    )
    base: Word = Field(default="", description="The id of a specification that desires add to.")


class PlanBody(Body):
    """What the planner gets."""

    spec_graph_id: Word = Field(description="The id of a specification, or HEAD.")
    new_desires: list[JsonValue] = Field(
        default_factory=list[JsonValue],
        max_length=1000,
        description="Objects with the keys of a desire.",
    )


class PlanReference(Body):
    """A plan."""

    plan_id: Word


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
    """What a plan changes."""

    simulation_id: str
    diff: Diff
    files: list[JsonRecord]
    risks: list[str]
    screenshots: list[str]


class DrawingAnswer(BaseModel):
    """A specification as a diagram."""

    model_config = ConfigDict(extra="forbid")

    spec_graph_id: str
    mode: str
    format: str
    diagram: str


@part.post("/spec/normalize", dependencies=[OPERATE, IN_TURN])
def normalize(service: Serving, body: DesiresBody) -> SpecAnswer:
    """Turn desires into a specification, or add them to one."""
    return SpecAnswer.model_validate(api.normalize(_plane(service), body.desires, body.base))


@part.post("/growth/plan", dependencies=[OPERATE, IN_TURN])
def plan(service: Serving, body: PlanBody) -> PlanAnswer:
    """Let a model plan morphs and tests for desires; rules check them."""
    desires = read_desires(body.new_desires) if body.new_desires else ()
    return PlanAnswer.model_validate(api.plan(_plane(service), body.spec_graph_id, desires))


@part.post("/growth/simulate", dependencies=[OPERATE, IN_TURN])
def simulate(service: Serving, body: PlanReference) -> SimulationAnswer:
    """Simulate a plan from its specification and recorded traffic, without building it."""
    return SimulationAnswer.model_validate(api.simulate(_plane(service), body.plan_id))


@part.get("/render/{id}", dependencies=[READ, IN_TURN])
def render(
    service: Serving, id: str, mode: Mode = "flowchart", format: Format = "svg"
) -> DrawingAnswer:
    """Draw a specification as a flowchart, mind map or board."""
    return DrawingAnswer.model_validate(api.render(_plane(service), id, mode, format))


def _plane(service: Service) -> ControlPlane:
    return ControlPlane(service.host)

"""Check, format, draw, simulate and compare the text of pipelines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.simulation.coverage import cover
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.engine.simulation.records import coverage_record, walk_record
from attractor.engine.simulation.walk import MAX_STEPS
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import difference_record
from attractor.language.comparison.difference_picture import difference_picture
from attractor.language.diagnostics import as_record
from attractor.language.drawing.draw import render_async
from attractor.language.formatter import format_text
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import Prepared
from attractor.language.source.text import Source
from attractor.pipeline.simulation.simulate import (
    Script,
    check_answers,
    require_simulated,
    simulate as walk_through,
)
from attractor.pipeline.source.read import prepare_source, project_of, read_pipeline
from attractor.pipeline.source.vocabulary import files_beside
from attractor.server.http.problems import problem_statuses
from attractor.server.http.scopes import READ, Serving
from attractor.server.service import Service

part = APIRouter(tags=["language"], responses=problem_statuses(400, 503))

Record = dict[str, Any]
LONGEST_SOURCE = 2_000_000
SVG = "image/svg+xml"
DRAWING: dict[int | str, dict[str, Any]] = {200: {"content": {SVG: {"schema": {"type": "string"}}}}}


class PipelineText(BaseModel):
    """The text of a pipeline."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(max_length=LONGEST_SOURCE, description="DOT text.")
    file: str = Field(
        default="pipeline.dot",
        max_length=1000,
        description="The place of the text in the project, which relative file names start from.",
    )

    def place(self, service: Service) -> Path:
        """Return the path of the file; refuse a file outside of the project."""
        project = service.host.project.resolve()
        try:
            place = (project / self.file).resolve()
        except (OSError, ValueError, RuntimeError) as cause:
            raise UsageError(f"invalid file {self.file!r}") from cause
        if not place.is_relative_to(project):
            raise UsageError(
                f"{self.file!r} is outside of the project", hint="pass a path in the project"
            )
        return place

    def prepare(self, service: Service) -> Prepared:
        """Return the graph, and the diagnostics of `attractor validate`."""
        place = self.place(service)
        source = Source(self.source, self.file)
        return prepare_source(source, "", files_beside(place), None, project_of(service.host))

    def graph(self, service: Service) -> Graph:
        """Return the graph; refuse a pipeline with errors."""
        source = Source(self.source, self.file)
        return read_pipeline(source, files=files_beside(self.place(service))).graph


class SimulatedPipeline(PipelineText):
    """A pipeline, with the outcomes and answers of a walk."""

    outcomes: Mapping[str, Any] = Field(
        default_factory=dict[str, Any], description="By node: an outcome, or one for each visit."
    )
    answers: Mapping[str, list[str]] = Field(
        default_factory=dict[str, list[str]], description="By human gate: a choice for each visit."
    )
    max_steps: int = Field(default=MAX_STEPS, ge=1, le=MAX_STEPS)


class TwoPipelines(BaseModel):
    """Two versions of a pipeline."""

    model_config = ConfigDict(extra="forbid")

    before: PipelineText
    after: PipelineText


class FormattedText(BaseModel):
    """A formatted pipeline."""

    source: str
    changed: bool


@part.post("/api/v1/validate", dependencies=[READ])
def validate(service: Serving, body: PipelineText) -> Record:
    """Check a pipeline for errors; nothing is executed."""
    return as_record(body.prepare(service).diagnostics, files=1)


@part.post("/api/v1/format", dependencies=[READ])
def format_pipeline(body: PipelineText) -> FormattedText:
    """Format a pipeline; comments and the meaning are kept."""
    formatted = format_text(body.source, file=body.file)
    return FormattedText(source=formatted, changed=formatted != body.source)


@part.post("/api/v1/render", dependencies=[READ], response_class=Response, responses=DRAWING)
async def render(service: Serving, body: PipelineText) -> Response:
    """Draw a pipeline as SVG."""
    return Response(await render_async(body.graph(service)), media_type=SVG)


@part.post("/api/v1/simulate", dependencies=[READ])
async def simulate(service: Serving, body: SimulatedPipeline) -> Record:
    """Walk through a pipeline without executing it."""
    graph = body.graph(service)
    written: Mapping[str, Json] = body.outcomes
    answers = dict(body.answers)
    check_answers(graph, answers)
    script = Script(
        outcomes=read_outcomes(written, nodes=graph.nodes),
        answers=answers,
        max_steps=body.max_steps,
    )
    return walk_record(await walk_through(graph, script))


@part.post("/api/v1/coverage", dependencies=[READ])
def coverage(service: Serving, body: PipelineText) -> Record:
    """Try every outcome of a pipeline, and list nodes and edges that cannot be reached."""
    graph = body.graph(service)
    require_simulated(graph)
    return coverage_record(graph, cover(graph))


@part.post("/api/v1/diff", dependencies=[READ])
def compare(service: Serving, body: TwoPipelines) -> Record:
    """Compare two versions of a pipeline by their meaning."""
    return difference_record(diff(body.before.graph(service), body.after.graph(service)))


@part.post("/api/v1/diff/drawing", dependencies=[READ], response_class=Response, responses=DRAWING)
async def draw_difference(service: Serving, body: TwoPipelines) -> Response:
    """Draw the new version of a pipeline, with the changes marked."""
    after = body.after.graph(service)
    difference = diff(body.before.graph(service), after)
    return Response(await render_async(difference_picture(after, difference)), media_type=SVG)

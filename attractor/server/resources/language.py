"""Check, format, draw, simulate and compare the text of pipelines."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictInt

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
from attractor.language.editor.analysis import Analysis
from attractor.language.editor.completion import cursor_at, propose
from attractor.language.formatter import format_text
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import Prepared
from attractor.language.source.text import Source
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.simulation.simulate import (
    Script,
    check_answers,
    require_simulated,
    simulate as walk_through,
)
from attractor.pipeline.source.files import VisibleFiles, find_place
from attractor.pipeline.source.read import context_of, prepare_source, read_pipeline
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, READ, ProjectService
from attractor.server.processes.bodies import LONGEST_SOURCE, Body, PipelineFile
from attractor.server.service import Service

part = APIRouter(tags=["language"], responses=problem_statuses(400, 404))

MOST_PROPOSED = 50
SVG = "image/svg+xml"
DRAWING: dict[int | str, dict[str, Any]] = {200: {"content": {SVG: {"schema": {"type": "string"}}}}}


class PipelineText(Body):
    """The text of a pipeline."""

    source: str = Field(max_length=LONGEST_SOURCE, description="DOT text.")
    file: PipelineFile = Field(
        default="pipeline.dot",
        description="The place of the text in the project, which relative file names start from.",
    )

    def files(self, service: Service) -> VisibleFiles:
        """Return the files that the pipeline may name; refuse a place outside of the project."""
        project = service.project.root
        return VisibleFiles(find_place(project, self.file), project)

    def prepare(self, service: Service) -> Prepared:
        """Return the graph, and the diagnostics of `attractor validate`."""
        source, files = Source(self.source, self.file), self.files(service)
        return prepare_source(source, "", files, None, context_of(RunScope.of(service.project)))

    def graph(self, service: Service) -> Graph:
        """Return the graph; refuse a pipeline with errors."""
        source = Source(self.source, self.file)
        return read_pipeline(source, files=self.files(service)).graph


class EditedPipeline(PipelineText):
    """The text of a pipeline, with the place of the cursor, both counted from 1."""

    line: StrictInt = Field(ge=1)
    column: StrictInt = Field(ge=1)


class ProposedWord(BaseModel):
    """A word that fits at the cursor."""

    text: str
    detail: str
    documentation: str


class Completion(BaseModel):
    """Words for the cursor, and the beginning of the word that is written already."""

    begun: str
    proposals: list[ProposedWord]


class SimulatedPipeline(PipelineText):
    """A pipeline, with the outcomes and answers of a walk."""

    outcomes: Mapping[str, Any] = Field(
        default_factory=dict[str, Any], description="By node: an outcome, or one for each visit."
    )
    answers: Mapping[str, list[str]] = Field(
        default_factory=dict[str, list[str]], description="By human gate: a choice for each visit."
    )
    max_steps: StrictInt = Field(default=MAX_STEPS, ge=1, le=MAX_STEPS)


class TwoPipelines(Body):
    """Two versions of a pipeline."""

    before: PipelineText
    after: PipelineText


class FormattedText(BaseModel):
    """A formatted pipeline."""

    source: str
    changed: bool


@part.post("/api/v1/validate", dependencies=[READ, IN_TURN])
def validate(service: ProjectService, body: PipelineText) -> JsonRecord:
    """Check a pipeline for errors; nothing is executed."""
    return as_record(body.prepare(service).diagnostics, files=1)


@part.post("/api/v1/format", dependencies=[READ, IN_TURN])
def format_pipeline(body: PipelineText) -> FormattedText:
    """Format a pipeline; comments and the meaning are kept."""
    formatted = format_text(body.source, file=body.file)
    return FormattedText(source=formatted, changed=formatted != body.source)


@part.post(
    "/api/v1/render", dependencies=[READ, IN_TURN], response_class=Response, responses=DRAWING
)
def render(service: ProjectService, body: PipelineText) -> Response:
    """Draw a pipeline as SVG."""
    return Response(asyncio.run(render_async(body.graph(service))), media_type=SVG)


@part.post("/api/v1/simulate", dependencies=[READ, IN_TURN])
def simulate(service: ProjectService, body: SimulatedPipeline) -> JsonRecord:
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
    return walk_record(asyncio.run(walk_through(graph, script)))


@part.post("/api/v1/coverage", dependencies=[READ, IN_TURN])
def coverage(service: ProjectService, body: PipelineText) -> JsonRecord:
    """Try every outcome of a pipeline, and list nodes and edges that cannot be reached."""
    graph = body.graph(service)
    require_simulated(graph)
    return coverage_record(graph, cover(graph))


@part.post("/api/v1/diff", dependencies=[READ, IN_TURN])
def compare(service: ProjectService, body: TwoPipelines) -> JsonRecord:
    """Compare two versions of a pipeline by their meaning."""
    return difference_record(diff(body.before.graph(service), body.after.graph(service)))


@part.post(
    "/api/v1/diff/drawing", dependencies=[READ, IN_TURN], response_class=Response, responses=DRAWING
)
def draw_difference(service: ProjectService, body: TwoPipelines) -> Response:
    """Draw the new version of a pipeline, with the changes marked."""
    after = body.after.graph(service)
    picture = difference_picture(after, diff(body.before.graph(service), after))
    return Response(asyncio.run(render_async(picture)), media_type=SVG)


@part.post("/api/v1/complete", dependencies=[READ, IN_TURN])
def complete(service: ProjectService, body: EditedPipeline) -> Completion:
    """Propose words for the place of the cursor in a pipeline."""
    project = context_of(RunScope.of(service.project))
    source, files = Source(body.source, body.file), body.files(service)
    analysis = Analysis(source, project.vocabulary, files, project.levels)
    lines = body.source.split("\n")
    before = lines[: body.line - 1]
    offset = sum(len(one) + 1 for one in before) + body.column - 1
    cursor = cursor_at(body.source, min(offset, len(body.source)))
    begun = cursor.begun.casefold()
    found = propose(cursor, (name.id for name in analysis.names), analysis.words)
    near = [one for one in found if one.text.casefold().startswith(begun)]
    return Completion(
        begun=cursor.begun,
        proposals=[
            ProposedWord(text=one.text, detail=one.detail, documentation=one.documentation)
            for one in near[:MOST_PROPOSED]
        ],
    )

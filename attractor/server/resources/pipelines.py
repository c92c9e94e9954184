"""The registered pipelines of the project: versions, texts, differences; register, retire."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from attractor.factory.resources.pipelines import register_text
from attractor.factory.resources.versions import RETIRED
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import difference_record
from attractor.language.reading import parse
from attractor.pipeline.source.files import read_pipeline_file
from attractor.server.http.cursors import DEFAULT_LIMIT, Cursor, Limit, Page
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord, Name
from attractor.server.http.scopes import DECIDE, OPERATE, READ, Calling, ProjectService
from attractor.server.http.versions import (
    EndBody,
    Reference,
    RegisteredAnswer,
    VersionAnswer,
    end,
    list_versions,
)
from attractor.server.processes.bodies import Body, PipelineFile

part = APIRouter(tags=["pipelines"], responses=problem_statuses(400, 404, 409))

Compared = Annotated[str, Query(max_length=200, description="NAME or NAME@VERSION.")]


class PipelineAnswer(VersionAnswer):
    """A version of a pipeline, with its text."""

    text: str


class PipelineBody(Body):
    """A pipeline of the project to register."""

    file: PipelineFile = Field(description="The path of its file in the project.")
    source: str = Field(
        default="", description="Register this text instead of the content of the file."
    )


@part.get("/api/v1/pipelines", dependencies=[READ])
def list_pipelines(
    service: ProjectService, *, name: Name = "", cursor: Cursor = "", limit: Limit = DEFAULT_LIMIT
) -> Page[VersionAnswer]:
    """List the versions of all registered pipelines, or of one."""
    return list_versions(service.opened.pipelines.versions, name, cursor, limit)


@part.get("/api/v1/pipelines/{reference}", dependencies=[READ])
def show_pipeline(service: ProjectService, reference: Reference) -> PipelineAnswer:
    """Show a version of a pipeline: its origin, files, validation result and text."""
    store = service.opened.pipelines
    version = store.versions.find(reference)
    return PipelineAnswer.model_validate({**version.to_record(), "text": store.read(version).text})


@part.post("/api/v1/pipelines", dependencies=[OPERATE])
def register_pipeline(
    service: ProjectService, caller: Calling, body: PipelineBody
) -> RegisteredAnswer:
    """Register a pipeline as a version, with the files that it names; refuse one with errors."""
    opened = service.opened
    text = (
        body.source
        or read_pipeline_file(opened.project.root, body.file, opened.project.runs_dir).text
    )
    store = opened.pipelines
    version, is_new = register_text(store, opened.project, body.file, text, by=caller.name)
    return RegisteredAnswer.model_validate({**version.to_record(), "is_new": is_new})


@part.post("/api/v1/pipelines/{reference}/retire", dependencies=[DECIDE])
def retire_pipeline(
    service: ProjectService, caller: Calling, reference: Reference, body: EndBody
) -> list[VersionAnswer]:
    """Retire a version, or all versions of a pipeline; no new run may use them."""
    store = service.opened.pipelines.versions
    return end(service, caller, store, reference, RETIRED, body.reason)


@part.get("/api/v1/pipeline-diff", dependencies=[READ])
def compare_pipelines(service: ProjectService, before: Compared, after: Compared) -> JsonRecord:
    """Compare two versions of pipelines: nodes, edges and attributes."""
    store = service.opened.pipelines
    old, new = (store.read(store.versions.find(one)).text for one in (before, after))
    return difference_record(diff(parse(old, file=before), parse(new, file=after)))

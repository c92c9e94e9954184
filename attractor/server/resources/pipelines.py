"""The registered pipelines of the project: versions, sources and differences."""

from typing import Annotated

from fastapi import APIRouter, Query

from attractor.factory.launch import evaluator_of
from attractor.factory.resources.pipelines import PipelineStore
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import difference_record
from attractor.language.reading import parse
from attractor.server.http.cursors import MOST, Cursor, Limit, Page
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord, Name, Reference, VersionAnswer, list_versions
from attractor.server.http.scopes import READ, Serving

part = APIRouter(tags=["pipelines"], responses=problem_statuses(400, 404, 409, 503))

Compared = Annotated[str, Query(max_length=200, description="NAME or NAME@VERSION.")]


class PipelineAnswer(VersionAnswer):
    """A version of a pipeline, with its text."""

    text: str


@part.get("/api/v1/pipelines", dependencies=[READ])
def list_pipelines(
    service: Serving, *, name: Name = "", cursor: Cursor = "", limit: Limit = MOST
) -> Page[VersionAnswer]:
    """List the versions of all registered pipelines, or of one."""
    return list_versions(evaluator_of(service.host).stores.pipelines.versions, name, cursor, limit)


@part.get("/api/v1/pipelines/{reference}", dependencies=[READ])
def show_pipeline(service: Serving, reference: Reference) -> PipelineAnswer:
    """Show a version of a pipeline: its origin, files, validation result and text."""
    store = evaluator_of(service.host).stores.pipelines
    version = store.versions.find(reference)
    return PipelineAnswer.model_validate({**version.to_record(), "text": store.read(version).text})


@part.get("/api/v1/pipeline-diff", dependencies=[READ])
def compare_pipelines(service: Serving, before: Compared, after: Compared) -> JsonRecord:
    """Compare two versions of pipelines: nodes, edges and attributes."""
    store = evaluator_of(service.host).stores.pipelines
    old, new = (_text(store, one) for one in (before, after))
    return difference_record(diff(parse(old, file=before), parse(new, file=after)))


def _text(store: PipelineStore, reference: str) -> str:
    return store.read(store.versions.find(reference)).text

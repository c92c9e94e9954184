"""The form that starts a run: a pipeline of the project or the gallery, its inputs, and a suite."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.questions.question import natural_key
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.diagnostics import InvalidPipeline
from attractor.language.reading import parse
from attractor.language.source.text import Source
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import (
    VisibleFiles,
    find_runnable,
    list_pipeline_files,
    read_pipeline_file,
)
from attractor.pipeline.source.gallery import (
    GALLERY,
    gallery_word,
    is_gallery_word,
    open_gallery_pipeline,
)
from attractor.pipeline.source.read import STDIN, context_of, pipeline_name, prepare_source
from attractor.records.request import read_request
from attractor.server.access.callers import Caller
from attractor.server.fleet.view import known_pools
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.run_fields import (
    INPUT,
    known_models,
    require_inputs,
    values_of,
    written_inputs,
)
from attractor.server.html.version_forms import NOT_REFUSED, Refusal
from attractor.server.http.scopes import OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import StartBody
from attractor.server.run_actions import start_run
from attractor.server.service import Service

part = PageRouter()

Word = Annotated[str, Query(max_length=1000)]
MOST_RECENT = 5
"""The number of pipelines that come first because they ran last."""


@dataclass(frozen=True)
class Wanted:
    """What a person wants to start: a file, or the pipeline of an earlier run with its values.

    The new run gets the feedback on the run `feedback`; it only repeats the run `again`.
    """

    file: str = ""
    feedback: str = ""
    again: str = ""

    def directory(self, service: Service) -> RunDirectory | None:
        """Return the directory of the earlier run."""
        earlier = self.feedback or self.again
        return RunDirectory(service.root(earlier)) if earlier else None


@part.get("/start", dependencies=[READ])
def show_form(
    request: Request,
    service: ProjectService,
    *,
    file: Word = "",
    feedback: Word = "",
    again: Word = "",
) -> Response:
    """Show the form that starts a run: of a file, or else of the pipeline that ran last.

    With an earlier run, it has the pipeline of that run, its goal, inputs, model, limits and suite.
    """
    return _page(request, service, Wanted(file, feedback, again))


def _page(
    request: Request, service: Service, wanted: Wanted, refusal: Refusal = NOT_REFUSED
) -> Response:
    names = list(list_pipeline_files(service.project.root, service.project.runs_dir))
    recent = list(_recent_files(service, names))
    earlier = wanted.directory(service)
    manifest = read_manifest(earlier) if earlier else None
    own = _file_of(service, manifest, names) if manifest else ""
    file = wanted.file or own
    if not file and not manifest:
        file = next(iter([*recent, *names, gallery_word(GALLERY[0])]))
    filled = values_of(read_request(manifest)) if manifest else dict[str, str]()
    values: dict[str, object] = {
        "recent": recent,
        "files": [name for name in names if name not in recent],
        "gallery": [word for word in map(gallery_word, GALLERY) if word not in recent],
        "file": file,
        "own_graph": manifest is not None and not own,
        "graph": None,
        "fault": "",
        "feedback": wanted.feedback,
        "again": wanted.again,
        "kept": ", ".join(f"{name} {value}" for name, value in _kept(service, wanted, filled)),
        "error": refusal.error,
        "fault_of": refusal.fault_of,
        "typed": refusal.values or filled,
        "input_field": INPUT,
    }
    if file or earlier:
        values |= _form(service, file, earlier)
    return render(request, "start.html.j2", values, status=refusal.status)


def _recent_files(service: Service, names: Sequence[str]) -> Iterator[str]:
    """Yield the files of the pipelines that ran last, newest first."""
    newest = service.index.newest(service.project.runs_dir).values()
    found: list[str] = []
    for run in sorted(newest, key=lambda run: run.started, reverse=True):
        # A run can be removed meanwhile.
        with suppress(AttractorError):
            found.append(_file_of(service, read_manifest(RunDirectory(run.directory)), names))
        if len(set(found)) > MOST_RECENT:
            break
    yield from [file for file in dict.fromkeys(found) if file][:MOST_RECENT]


def _file_of(service: Service, manifest: Manifest, names: Sequence[str]) -> str:
    """Return the file of the project, or the word of the gallery, with the pipeline of a run.

    Return an empty text if it is elsewhere.
    """
    word = gallery_word(str(manifest.options.get("gallery", "")))
    if word in map(gallery_word, GALLERY):
        return word
    project = service.project.root
    places = [str(manifest.options.get("file", ""))]
    with suppress(AttractorError):
        store = service.opened.pipelines.versions
        version = store.with_content(manifest.pipeline, manifest.content_hash)
        places.append(str(version.data["file"]))
    for file in (project / Path(place) for place in places):
        if file.is_relative_to(project) and (name := str(file.relative_to(project))) in names:
            return name
    return ""


def _kept(service: Service, wanted: Wanted, fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the settings of an earlier run that the form does not have; a model has a provider."""
    if directory := wanted.directory(service):
        request = read_request(read_manifest(directory))
        yield "backend", request.backend
        yield "workspace", request.dimension or request.workspace
        yield "sandbox", request.sandbox
        if request.provider and fields.get("model", "") == request.model:
            yield "provider", request.provider


def _form(service: Service, name: str, earlier: RunDirectory | None) -> dict[str, object]:
    """Return the values for the form of a pipeline; an unreadable pipeline has a fault.

    Without a name, it is the pipeline as the earlier run had it.
    """
    opened = service.opened
    project = opened.project
    text = _text_of(service, name, earlier)
    place = find_runnable(project.root, name) if name else project.root / STDIN
    name = name or STDIN
    try:
        graph = parse(text, file=name)
    except InvalidPipeline as fault:
        return {"fault": f"{fault.message}: run attractor validate {name}"}
    visible = VisibleFiles(place, project.root)
    prepared = prepare_source(
        Source(text, name), "", visible, None, context_of(RunScope.of(project))
    )
    return {
        "graph": graph,
        "problems": prepared.diagnostics,
        "inputs": declared_inputs(graph),
        "suites": _suites_for(opened, pipeline_name(graph, place)),
        "profiles": sorted(opened.profiles.versions.names(), key=natural_key),
        "models": known_models(project.machine.environ),
        "pools": known_pools(service.fleet),
    }


def _text_of(service: Service, name: str, earlier: RunDirectory | None) -> str:
    if earlier and not name:
        return earlier.graph.read_text()
    if is_gallery_word(name):
        return open_gallery_pipeline(name).text
    return read_pipeline_file(service.project.root, name, service.project.runs_dir).text


def _suites_for(opened: OpenProject, pipeline: str) -> Sequence[str]:
    """Return the suites in use that judge a pipeline."""
    # Suites are slow to import.
    from attractor.factory.resources.suites import is_for

    versions = opened.suites.versions
    found = [versions.find(name) for name in sorted(versions.names(), key=natural_key)]
    return [suite.name for suite in found if not suite.ending and is_for(suite, pipeline)]


@part.post("/start", dependencies=[OPERATE])
async def start(request: Request, service: ProjectService, caller: Calling) -> Response:
    """Start a run and show its page; show the form again if another pipeline was chosen."""
    # The names of the inputs are those of the pipeline, so that they are no parameters here.
    fields = {name: str(one).replace("\r\n", "\n") for name, one in (await request.form()).items()}
    return await run_in_threadpool(_start, request, service, caller, fields)


def _start(
    request: Request, service: Service, caller: Caller, fields: Mapping[str, str]
) -> Response:
    """Start a run; if that is refused, show the form again, with all that was typed."""
    file, goal = fields.get("file", ""), fields.get("goal", "")
    wanted = Wanted(file, fields.get("feedback", ""), fields.get("again", ""))
    if goal == fields.get("declared_goal"):
        goal = ""
        fields = {name: value for name, value in fields.items() if name != "goal"}
    # The inputs in the form are those of the pipeline that was shown.
    if "show" in fields or fields.get("shown", file) != file:
        return _page(request, service, wanted, Refusal(fields))
    try:
        earlier = wanted.directory(service)
        text = _text_of(service, file, earlier) if file or earlier else ""
        inputs = written_inputs(fields)
        body = StartBody.of(
            file=file,
            source="" if file or not earlier else text,
            goal=goal,
            inputs=inputs,
            suite=fields.get("suite", ""),
            profile=fields.get("profile", ""),
            feedback=wanted.feedback,
            model=fields.get("model", ""),
            on=fields.get("on", ""),
            label=fields.get("label", ""),
            max_duration=fields.get("max_duration", ""),
            **{name: fields[name] for name in ("max_cost_usd", "max_tokens") if fields.get(name)},
            **dict(_kept(service, wanted, fields)),
        )
        with suppress(InvalidPipeline):
            require_inputs(declared_inputs(parse(text, file=file or STDIN)), inputs)
        run = start_run(service, body, caller).id
    except AttractorError as error:
        return _page(request, service, wanted, Refusal(fields, error))
    return see_other(f"/runs/{in_address(run)}")

"""The form that starts a run: a pipeline of the project, its goal, its inputs, and a suite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.engine.questions.question import natural_key
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.diagnostics import InvalidPipeline
from attractor.language.reading import parse
from attractor.language.source.text import Source
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import (
    VisibleFiles,
    find_place,
    list_pipeline_files,
    read_pipeline_file,
)
from attractor.pipeline.source.read import context_of, prepare_source
from attractor.server.access.callers import Caller
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, Refusal
from attractor.server.http.scopes import OPERATE, READ, Calling, Serving
from attractor.server.processes.bodies import StartBody
from attractor.server.run_actions import start_run
from attractor.server.service import Service

part = PageRouter()

Word = Annotated[str, Query(max_length=1000)]
INPUT = "input."
"""The beginning of the names of fields with an input."""


@part.get("/start", dependencies=[READ])
def show_form(
    request: Request, service: Serving, *, file: Word = "", feedback: Word = ""
) -> Response:
    """Show the pipelines of the project, or the form that starts one of them.

    With the feedback on an earlier run, it is the pipeline of that run, unless a file is given.
    """
    return _page(request, service, file, feedback)


def _page(
    request: Request, service: Service, file: str, feedback: str, refusal: Refusal = NOT_REFUSED
) -> Response:
    names = list(list_pipeline_files(service.project.root, service.project.runs_dir))
    earlier = read_manifest(RunDirectory(service.root(feedback))) if feedback else None
    chosen = file or (_file_of(service, earlier) if earlier else "")
    chosen = chosen or (names[0] if len(names) == 1 else "")
    values: dict[str, object] = {
        "files": names,
        "file": chosen,
        "graph": None,
        "fault": "",
        "feedback": earlier.run_id if earlier else "",
        "suite": earlier.suite.partition("@")[0] if earlier else "",
        "profile": earlier.profile.partition("@")[0] if earlier else "",
        "error": refusal.error,
        "typed": refusal.values,
    }
    if chosen:
        values |= _form(service, chosen)
    return render(request, "start.html.j2", values, status=refusal.status)


def _file_of(service: Service, manifest: Manifest) -> str:
    """Return the file of the project that a run was started with; empty if it is elsewhere."""
    store = service.opened.pipelines.versions
    version = store.with_content(manifest.pipeline, manifest.content_hash)
    file = Path(str(version.data["file"]))
    project = service.project.root
    return str(file.relative_to(project)) if file.is_relative_to(project) else ""


def _form(service: Service, name: str) -> dict[str, object]:
    """Return the values for the form of a pipeline; an unreadable pipeline has a fault."""
    text = read_pipeline_file(service.project.root, name, service.project.runs_dir).text
    try:
        graph = parse(text, file=name)
    except InvalidPipeline as fault:
        return {"fault": f"{fault.message}: run attractor validate {name}"}
    opened = service.opened
    project = opened.project
    visible = VisibleFiles(find_place(project.root, name), project.root)
    prepared = prepare_source(
        Source(text, name), "", visible, None, context_of(RunScope.of(project))
    )
    return {
        "graph": graph,
        "problems": prepared.diagnostics,
        "inputs": declared_inputs(graph),
        "suites": sorted(opened.suites.versions.names(), key=natural_key),
        "profiles": sorted(opened.profiles.versions.names(), key=natural_key),
        "input_field": INPUT,
    }


@part.post("/start", dependencies=[OPERATE])
async def start(request: Request, service: Serving, caller: Calling) -> Response:
    """Start a run, and show its page."""
    # The names of the inputs are those of the pipeline, so that they are no parameters here.
    fields = {name: str(one).replace("\r\n", "\n") for name, one in (await request.form()).items()}
    return await run_in_threadpool(_start, request, service, caller, fields)


def _start(
    request: Request, service: Service, caller: Caller, fields: Mapping[str, str]
) -> Response:
    """Start a run; if that is refused, show the form again, with all that was typed."""
    file, goal, feedback = (fields.get(name, "") for name in ("file", "goal", "feedback"))
    try:
        body = StartBody.of(
            file=file,
            goal="" if goal == fields.get("declared_goal") else goal,
            inputs={
                name.removeprefix(INPUT): text
                for name, text in fields.items()
                if name.startswith(INPUT) and text
            },
            suite=fields.get("suite", ""),
            profile=fields.get("profile", ""),
            feedback=feedback,
            model=fields.get("model", ""),
            max_duration=fields.get("max_duration", ""),
            **{name: fields[name] for name in ("max_cost_usd", "max_tokens") if fields.get(name)},
        )
        run = start_run(service, body, caller).id
    except AttractorError as error:
        return _page(request, service, file, feedback, Refusal(fields, error))
    return see_other(f"/runs/{in_address(run)}")

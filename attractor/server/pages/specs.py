"""The pages of pipelines: registered versions, their differences, and the editor."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import Response
from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.engine.storage.json_files import Fields
from attractor.factory.resources.pipelines import register_text
from attractor.factory.resources.versions import RETIRED, Version
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import difference_text
from attractor.language.comparison.difference_picture import difference_picture
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.drawing.draw import draw
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import KnownFiles, Prepared
from attractor.language.source.text import Source
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import (
    VisibleFiles,
    find_place,
    list_pipeline_files,
    read_pipeline_file,
    write_pipeline_file,
)
from attractor.pipeline.source.read import context_of, prepare_source, read_pipeline
from attractor.records.summary import RunOverview
from attractor.server.html.highlighting import highlighted, lines_of
from attractor.server.html.rendering import PageRouter, in_address, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, EndText, Refusal, end_by_form
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import LONGEST_SOURCE
from attractor.server.service import Service

part = PageRouter("Pipelines", "/specs", position=3, marked_at=("/editor",))

FRAGMENTS = ("specs/colours", "specs/checked")
Text = Annotated[str, Form(max_length=LONGEST_SOURCE)]
Word = Annotated[str, Query(max_length=1000)]

NEW = """digraph new_pipeline {
    graph [goal="Describe the goal"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [prompt="Do this: $goal"]

    start -> work -> exit
}
"""


@dataclass(frozen=True)
class PipelineRow:
    """A file of the project, or a registered pipeline without one, with its newest run.

    `fault` is the reason why the file cannot be read.
    """

    name: str
    file: str
    version: Version | None = None
    newest: RunOverview | None = None
    problems: Sequence[Diagnostic] = ()
    fault: str = ""

    def count(self, severity: str) -> int:
        """Return the number of problems of a severity."""
        return sum(one.severity == severity for one in self.problems)


@dataclass(frozen=True)
class SourceLine:
    """A line of an edited text: its highlighted code, and the worst first of its problems."""

    code: Markup
    problems: Sequence[Diagnostic]

    @property
    def worst(self) -> str:
        """The worst severity of the problems, or an empty text."""
        return self.problems[0].severity.value if self.problems else ""


@dataclass(frozen=True)
class Checked:
    """An edited text: its diagnostics, and its drawing if it has a graph."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()
    svg: str = ""

    def lines(self) -> Iterator[SourceLine]:
        """Yield the lines of the text, as the editor shows them."""
        problems: dict[int, list[Diagnostic]] = {}
        worst_first = sorted(self.diagnostics, key=lambda found: [*Severity].index(found.severity))
        for problem in worst_first:
            problems.setdefault(problem.span.line, []).append(problem)
        for number, code in enumerate(lines_of(self.text.split("\n"), "pipeline.dot"), 1):
            yield SourceLine(code, problems.get(number, ()))


@part.get("/specs", dependencies=[READ, IN_TURN])
def show_specs(request: Request, service: ProjectService) -> Response:
    """Show the pipeline files of the project and the registered pipelines in one table."""
    reading = service.index.catch_up(service.project.runs_dir)
    runs_dir = service.project.runs_dir
    newest = dict[str, RunOverview]() if reading else service.index.newest(runs_dir)
    values = {"rows": list(_rows(service, newest)), "reading": reading}
    return render(request, "specs.html.j2", values)


def _rows(service: Service, newest: Mapping[str, RunOverview]) -> Iterator[PipelineRow]:
    store, project = service.opened.pipelines.versions, service.project
    versions = {name: store.versions(name)[-1] for name in store.names()}
    unseen = dict(versions)
    for file in list_pipeline_files(project.root, project.runs_dir):
        try:
            text = read_pipeline_file(project.root, file, project.runs_dir).text
            prepared = _prepare(service, file, text)
        except AttractorError as error:
            yield PipelineRow("", file, fault=error.in_one_line)
            continue
        name = prepared.graph.name if prepared.graph else ""
        unseen.pop(name, None)
        problems = tuple(prepared.diagnostics)
        yield PipelineRow(name, file, versions.get(name), newest.get(name), problems)
    for name, version in unseen.items():
        yield PipelineRow(name, "", version, newest.get(name))


@part.get("/specs/{name}", dependencies=[READ])
def show_spec(request: Request, service: ProjectService, name: str, before: Word = "") -> Response:
    """Show a version of a pipeline, `NAME` or `NAME@VERSION`, or its changes since another."""
    return _page(request, service, name, NOT_REFUSED, before)


def _page(
    request: Request, service: Service, name: str, refusal: Refusal, before: str = ""
) -> Response:
    store = service.opened.pipelines
    version = store.versions.find(name)
    earlier = store.versions.find(f"{version.name}@{before}") if before else None
    graph = _registered(service, version)
    values: dict[str, object] = {
        "version": version,
        "versions": list(reversed(store.versions.versions(version.name))),
        "earlier": earlier,
        "source": highlighted(store.read(version).text, "pipeline.dot"),
        "found": Fields(version.data, str(version)).inners("diagnostics"),
        "difference": "",
        "refusal": refusal,
    }
    if earlier:
        difference = diff(_registered(service, earlier), graph)
        values["difference"] = difference_text(difference)
        values["svg"] = asyncio.run(draw(difference_picture(graph, difference)))
    else:
        values["svg"] = asyncio.run(draw(graph))
    return render(request, "spec.html.j2", values, status=refusal.status)


@part.post("/specs/{name}/retire", dependencies=[OPERATE])
def retire(
    request: Request, service: ProjectService, name: str, reason: EndText, token: EndText = ""
) -> Response:
    """Retire a version of a pipeline, with a token of the scope `decide`."""
    store = service.opened.pipelines.versions
    page = partial(_page, request, service, name)
    return end_by_form(
        service, store, name, RETIRED, reason=reason, token=token, address="/specs", page=page
    )


@part.get("/editor", dependencies=[READ])
def show_editor(
    request: Request, service: ProjectService, file: Word = "", version: Word = ""
) -> Response:
    """Show the editor with a file of the project, a registered version, or a new pipeline."""
    name, text, known = file or "pipelines/new_pipeline.dot", NEW, ""
    if version:
        store = service.opened.pipelines
        text = store.read(store.versions.find(version)).text
        name = f"pipelines/{version.partition('@')[0]}.dot"
    elif file:
        opened = read_pipeline_file(service.project.root, file, service.project.runs_dir)
        text, known = opened.text, opened.content
    return _editor(request, service, name, text, known)


@part.post("/editor", dependencies=[READ, IN_TURN])
def check_text(
    request: Request, service: ProjectService, *, file: Text, source: Text, known: Text = ""
) -> Response:
    """Check and draw an edited text, without saving it."""
    return _editor(request, service, file, _text(source), known)


@part.post("/editor/save", dependencies=[OPERATE])
def save(
    request: Request, service: ProjectService, *, file: Text, source: Text, known: Text = ""
) -> Response:
    """Save an edited text to its file; the text is kept if that is refused."""
    return _saved(request, service, file, _text(source), known, "/editor")


@part.post("/editor/run", dependencies=[OPERATE])
def save_and_run(
    request: Request, service: ProjectService, *, file: Text, source: Text, known: Text = ""
) -> Response:
    """Save an edited text to its file, and show the form that starts a run of it."""
    return _saved(request, service, file, _text(source), known, "/start")


def _saved(
    request: Request, service: Service, file: str, text: str, known: str, page: str
) -> Response:
    try:
        write_pipeline_file(service.project.root, file, text, known=known)
    except AttractorError as error:
        return _editor(request, service, file, text, known, refusal=error)
    return see_other(f"{page}?file={in_address(file)}{service.and_here}", f"Saved {file}.")


@part.post("/editor/register", dependencies=[OPERATE])
def register(
    request: Request,
    service: ProjectService,
    caller: Calling,
    *,
    file: Text,
    source: Text,
    known: Text = "",
) -> Response:
    """Register an edited text as a version; the text is kept if that is refused."""
    project = service.project
    try:
        store = service.opened.pipelines
        version, is_new = register_text(store, project, file, _text(source), by=caller.name)
    except AttractorError as error:
        return _editor(request, service, file, _text(source), known, refusal=error)
    said = f"{version} is {'registered' if is_new else 'unchanged'}."
    return see_other(f"/specs/{in_address(version.name)}{service.here}", said)


def _editor(
    request: Request,
    service: Service,
    file: str,
    text: str,
    known: str,
    *,
    refusal: AttractorError | None = None,
) -> Response:
    try:
        checked = _check(service, file, text)
    except AttractorError as error:
        # Such as an invalid place: the text is kept, so that it can be saved to another one.
        checked, refusal = Checked(text), refusal or error
    values = {"file": file, "text": text, "known": known, "checked": checked, "refusal": refusal}
    status = 409 if refusal else 200
    return render(request, "editor.html.j2", values, status=status, fragments=FRAGMENTS)


def _check(service: Service, file: str, text: str) -> Checked:
    prepared = _prepare(service, file, text)
    svg = asyncio.run(draw(prepared.graph)) if prepared.graph and prepared.graph.nodes else ""
    return Checked(text, tuple(prepared.diagnostics), svg)


def _prepare(service: Service, file: str, text: str) -> Prepared:
    project = service.project
    files = VisibleFiles(find_place(project.root, file), project.root)
    return prepare_source(Source(text, file), "", files, None, context_of(RunScope.of(project)))


def _registered(service: Service, version: Version) -> Graph:
    """Return the graph of a registered version."""
    found = service.opened.pipelines.read(version)
    source = Source(found.text, f"{version.name}.dot")
    return read_pipeline(source, files=KnownFiles(found.files)).graph


def _text(sent: str) -> str:
    """Return a text as a file has it: a form sends line ends of two characters."""
    return sent.replace("\r\n", "\n")

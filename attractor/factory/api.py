"""The Python interface: a program runs and resumes pipelines, and can pass its own parts."""

import asyncio
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypedDict, Unpack

from attractor.backends.registry import AnyBackend, adapt_backend
from attractor.base.callables import require_no_loop
from attractor.base.durations import parse_duration
from attractor.base.errors import UsageError, suggest
from attractor.base.events import Event
from attractor.base.json import JsonObject
from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.result import RunResult
from attractor.engine.simulation.outcomes import check_outcomes
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.handlers.registry import handler_registry
from attractor.interviewers.custom import AnyInterviewer, adapt_interviewer
from attractor.language.declarations.inputs import declared_inputs, resolve_inputs
from attractor.language.diagnostics import Diagnostic
from attractor.language.formatter import write_graph
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.preparation.prepare import Prepared, Transform
from attractor.language.reading import open_source
from attractor.language.source.text import Source
from attractor.pipeline.project.console import Observer
from attractor.pipeline.project.custom_parts import (
    HANDED_IN,
    AnyHandler,
    CustomParts,
    adapt_handlers,
)
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import ProjectContext, context_of, prepare_source
from attractor.pipeline.source.vocabulary import files_beside
from attractor.records.lookup import find_run
from attractor.records.request import Overrides, RunRequest


class EventStream:
    """An async iterator over the events of a run, which ends when the run waits, stops or ends.

    Create the stream in the event loop that reads it, and pass the stream as the `observer` of a
    run.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events = asyncio.Queue[Event | None]()
        self._is_over = False

    def __call__(self, event: Event) -> None:
        """Add an event, on any thread."""
        self._put(event)

    def end(self) -> None:
        """End the stream; events that were added can still be read."""
        self._put(None)

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        event = None if self._is_over else await self._events.get()
        if event is None:
            self._is_over = True
            raise StopAsyncIteration
        return event

    def _put(self, event: Event | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)


class PrepareOptions(TypedDict, total=False):
    """Keyword arguments of `prepare` and `validate`.

    `handlers` by node type override the shipped handlers. Settings are read from the `project`
    folder (default: the current folder) and from the variables in `environ`.
    """

    handlers: Mapping[str, AnyHandler]
    transforms: Sequence[Transform]
    rules: ExtraRules
    project: str | Path
    environ: Mapping[str, str]
    goal: str
    inputs: Mapping[str, str]


class CommonOptions(PrepareOptions, total=False):
    """Keyword arguments of `run_pipeline` and of `resume_pipeline`.

    An `interviewer` is a name, an object with `ask`, or a function; a `backend` is a name, an
    object with `run`, or a function. The `observer` receives every event, on a thread of its own.
    On resume, `goal` and `inputs` repeat values that contain a secret, because the run directory
    does not store such values.
    A run with a suite remembers `evaluate=False`: its status stays `evaluating` until
    `attractor evaluate`.
    A run remembers `waits_for_limits=False`.
    """

    backend: str | AnyBackend
    interviewer: str | AnyInterviewer
    observer: Callable[[Event], None]
    max_cost_usd: float
    max_tokens: int
    max_duration: str | timedelta
    evaluate: bool
    waits_for_limits: bool


class ResumeOptions(CommonOptions, total=False):
    """Keyword arguments of `resume_pipeline`.

    With `accept_graph`, the run continues with the changed pipeline. With `restore_sessions`,
    conversations with full fidelity are rebuilt from the disk instead of being replaced by a
    summary.
    """

    accept_graph: bool
    restore_sessions: bool


class RunOptions(CommonOptions, total=False):
    """Keyword arguments of `run_pipeline`: the options of `attractor run`.

    `feedback` names an earlier run, whose verdict enters the context.
    """

    model: str
    provider: str
    outcomes: JsonObject
    workspace: str
    include_dirty: bool
    sandbox: str
    answers: Iterable[str]
    suite: str
    profile: str
    feedback: str | Path
    run_dir: str | Path


async def run_pipeline(pipeline: str | Path | Graph, **options: Unpack[RunOptions]) -> RunResult:
    """Run a pipeline from its file, or a graph, until the run waits, stops or ends.

    The run directory is the same as for `attractor run`. Therefore the command line can show,
    answer and resume the run, unless parts were passed as objects.
    """
    _require_known(options, RunOptions)
    folder = Path(options.get("project", ".")).absolute()
    file, texts = _file_and_text(pipeline, folder)
    parts = _custom_parts(options, texts)
    root = Path(options["run_dir"]).absolute() if "run_dir" in options else None
    with _observing(options) as observer:
        opened = _open(options, parts, observer)
        request = _request(file, options, parts, opened.project)
        earlier = options.get("feedback")
        feedback = find_run(str(earlier), opened.project.runs_dir) if earlier else None
        return await start_run(request, opened, root=root, feedback=feedback)


async def resume_pipeline(run: str | Path, **options: Unpack[ResumeOptions]) -> RunResult:
    """Resume a run that waits or stopped, named by its id, its directory, or `latest`.

    Parts that were passed as objects at the start of the run have to be passed again.
    """
    _require_known(options, ResumeOptions)
    parts = _custom_parts(options, {})
    overrides = Overrides(
        interviewer=_part_name(options.get("interviewer", "")),
        budgets=_budgets(options),
        goal=options.get("goal", ""),
        inputs=options.get("inputs", {}),
        evaluate=options.get("evaluate"),
        waits_for_limits=options.get("waits_for_limits"),
        accepts_graph="a program" if options.get("accept_graph") else "",
        restores_sessions=options.get("restore_sessions", False),
    )
    with _observing(options) as observer:
        opened = _open(options, parts, observer)
        root = find_run(str(run), opened.project.runs_dir)
        return await resume_run(root, opened, overrides)


def run_pipeline_sync(pipeline: str | Path | Graph, **options: Unpack[RunOptions]) -> RunResult:
    """Run a pipeline as `run_pipeline` does, and block until the run waits, stops or ends."""
    require_no_loop("run_pipeline")
    return asyncio.run(run_pipeline(pipeline, **options))


def resume_pipeline_sync(run: str | Path, **options: Unpack[ResumeOptions]) -> RunResult:
    """Resume a run as `resume_pipeline` does, and block until the run waits, stops or ends."""
    require_no_loop("resume_pipeline")
    return asyncio.run(resume_pipeline(run, **options))


def validate(
    pipeline: str | Path | Graph, **options: Unpack[PrepareOptions]
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of `attractor validate`, for a file, a graph or a text."""
    prepared, file, project = _prepare(pipeline, **options)
    # Imported here: handlers and child pipelines are slow to load.
    from attractor.pipeline.preflight.runnable import check_runnable

    return check_runnable(prepared, file, project).diagnostics


def prepare(pipeline: str | Path | Graph, **options: Unpack[PrepareOptions]) -> Prepared:
    """Return the graph that a run of a pipeline would execute, and its diagnostics.

    The pipeline is a file, a graph, or a text (recognized by its brace). Imports, prompt files,
    transforms and the settings of the project are applied. Without `inputs`, references to inputs
    are kept and not reported.
    """
    return _prepare(pipeline, **options)[0]


def _prepare(
    pipeline: str | Path | Graph, **options: Unpack[PrepareOptions]
) -> tuple[Prepared, Path, ProjectContext]:
    """Return a prepared pipeline, its path, and the context of the project."""
    _require_known(options, PrepareOptions)
    folder = Path(options.get("project", ".")).absolute()
    source = _source(pipeline, folder)
    file = source.span.file if isinstance(source, Graph) else source.file
    parts = CustomParts(
        handlers=adapt_handlers(options.get("handlers", {})),
        transforms=tuple(options.get("transforms", ())),
        rules=options.get("rules", ()),
    )
    project = context_of(RunScope.of(_open(options, parts, None).project))
    path = folder / (file or "<graph>")
    goal, files = options.get("goal", ""), files_beside(path)
    prepared = prepare_source(source, goal, files, None, project)
    given = options.get("inputs")
    if given is not None and prepared.graph is not None:
        inputs = resolve_inputs(declared_inputs(prepared.graph), given)
        prepared = prepare_source(source, goal, files, inputs, project)
    return prepared, path, project


class NodeType(NamedTuple):
    """A node type: its name, its shape (empty: none implies the type), and what its nodes do."""

    name: str
    shape: str
    description: str


def node_types() -> tuple[NodeType, ...]:
    """Return the node types of this installation, those of other distributions included."""
    handlers = handler_registry()
    shapes = {type_: shape for shape, type_ in TYPE_OF_SHAPE.items()}
    return tuple(NodeType(name, shapes.get(name, ""), handlers.summary(name)) for name in handlers)


def _source(pipeline: str | Path | Graph, folder: Path) -> Source | Graph:
    if isinstance(pipeline, Graph):
        return pipeline
    if isinstance(pipeline, str) and "{" in pipeline:
        return Source(pipeline)
    return open_source(str(folder / pipeline))


def _require_known(options: PrepareOptions, kind: type) -> None:
    """Refuse an unknown keyword argument."""
    known = kind.__annotations__
    for name in options:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"unknown option {name}", hint=hint)


def _custom_parts(options: CommonOptions, texts: Mapping[str, str]) -> CustomParts:
    """Adapt the parts that were passed as objects or functions."""
    backend, interviewer = options.get("backend", ""), options.get("interviewer", "")
    return CustomParts(
        handlers=adapt_handlers(options.get("handlers", {})),
        backend=None if isinstance(backend, str) else adapt_backend(backend),
        interviewer=None if isinstance(interviewer, str) else adapt_interviewer(interviewer),
        transforms=tuple(options.get("transforms", ())),
        rules=options.get("rules", ()),
        texts=texts,
    )


def _part_name(part: object) -> str:
    """Return the name of a part; a part that was passed as an object has a fixed name."""
    return part if isinstance(part, str) else HANDED_IN


def _request(file: Path, options: RunOptions, parts: CustomParts, project: Project) -> RunRequest:
    default = project.backends.default if project.backends else "agent"
    outcomes = options.get("outcomes")
    if outcomes is not None:
        check_outcomes(outcomes, file="outcomes")
    return RunRequest(
        file=file,
        goal=options.get("goal", ""),
        inputs=dict(options.get("inputs", {})),
        backend=_part_name(options.get("backend", default)),
        model=options.get("model", ""),
        provider=options.get("provider", ""),
        workspace=options.get("workspace", RunRequest.workspace),
        include_dirty=options.get("include_dirty", False),
        sandbox=options.get("sandbox", "auto"),
        interviewer=_part_name(options.get("interviewer", "")),
        answers=tuple(options.get("answers", ())),
        outcomes=outcomes,
        budgets=_budgets(options),
        suite=options.get("suite", ""),
        profile=options.get("profile", ""),
        evaluate=options.get("evaluate", True),
        waits_for_limits=options.get("waits_for_limits", True),
        custom_parts=parts.names,
    )


def _budgets(options: CommonOptions) -> Budgets:
    duration = options.get("max_duration")
    return Budgets(
        options.get("max_cost_usd"),
        options.get("max_tokens"),
        parse_duration(duration) if isinstance(duration, str) else duration,
    )


def _open(options: PrepareOptions, parts: CustomParts, observer: Observer | None) -> OpenProject:
    environ = options.get("environ", os.environ)
    return open_project(options.get("project", "."), environ, parts=parts, observer=observer)


def _file_and_text(pipeline: str | Path | Graph, folder: Path) -> tuple[Path, Mapping[str, str]]:
    """Return the file and the text of a pipeline; for a graph, a file name that does not exist."""
    if not isinstance(pipeline, Graph):
        return folder / pipeline, {}
    beside = (folder / pipeline.span.file).parent if pipeline.span.file else folder
    # No real file has such a name, so it cannot be confused with one.
    file = beside / "<graph>"
    return file, {str(file): write_graph(pipeline)}


@contextmanager
def _observing(options: CommonOptions) -> Generator[Observer | None]:
    """Call the observer of a program; after the observer's first error, warn and stop calling."""
    callback = options.get("observer")
    if callback is None:
        yield None
        return
    trouble: list[Exception] = []

    def observe(event: Event) -> None:
        if trouble:
            return
        try:
            callback(event)
        # No error of the observer may stop the run, but the program is warned.
        except Exception as error:  # noqa: BLE001
            trouble.append(error)

    try:
        yield observe
    finally:
        if isinstance(callback, EventStream):
            callback.end()
        if trouble:
            message = f"the observer raised {trouble[0]!r} and is no longer called"
            warnings.warn(message, RuntimeWarning, stacklevel=4)

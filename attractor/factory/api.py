"""The public door: a program runs pipelines, as the command line does, and with its own parts.

An observer of a run that is an async iterator over its events.

What a program may wish for a run, and what becomes of it: options, parts, a world.
"""

import asyncio
import os
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from attractor.backends.registry import AnyBackend, adapt_backend
from attractor.base.callables import require_no_loop
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_duration
from attractor.base.errors import UsageError, suggest
from attractor.base.events import Event
from attractor.base.json import JsonObject
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.result import RunResult
from attractor.engine.simulation.outcomes import check_outcomes
from attractor.factory.launch import go_on, launch
from attractor.interviewers.custom import AnyInterviewer, adapt_interviewer
from attractor.language.formatter import write_graph
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.preparation.transform import Transform
from attractor.pipeline.host.custom_parts import HANDED_IN, AnyHandler, CustomParts, adapt_handlers
from attractor.pipeline.host.observers import Observer
from attractor.pipeline.host.open_host import open_host
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import GivenSecrets, RunRequest, WorkspaceKind
from attractor.pipeline.runs.lookup import find_run


class EventStream:
    """Hands on each event of a run, in order; ends when the run rests or has ended.

    Made within the event loop that reads it, and handed to a run as its `observer`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events = asyncio.Queue[Event | None]()
        self._is_over = False

    def __call__(self, event: Event) -> None:
        """Take an event, on whichever thread."""
        self._put(event)

    def end(self) -> None:
        """Take no more; what was taken can still be read."""
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


PARKED = "park"
"""Who asks people unless somebody is named: a program has nobody at its terminal."""


class AnyWishes(TypedDict, total=False):
    """What a run may be given each time it begins or goes on.

    `handlers` go by node type, and stand before those there are. An `interviewer` is a name, an
    object with `ask`, or a function; a `backend` is a name, an object with `run`, or a function.
    The `observer` hears of every event, on a thread of its own. Settings are those of the `project`
    folder, which is the current one, and of the variables in `environ`. A run that goes on is given
    of `goal` and `inputs` what is secret and its directory does not keep.
    """

    handlers: Mapping[str, AnyHandler]
    backend: str | AnyBackend
    interviewer: str | AnyInterviewer
    transforms: Sequence[Transform]
    rules: ExtraRules
    observer: Callable[[Event], None]
    max_cost_usd: float
    max_tokens: int
    max_duration: str | timedelta
    evaluate: bool
    project: str | Path
    environ: Mapping[str, str]
    goal: str
    inputs: Mapping[str, str]


class ResumeWishes(AnyWishes, total=False):
    """What a run may be given that goes on: with `accept_graph` its pipeline may have changed.

    With `restore_sessions` conversations of full fidelity are taken up from the disk, instead of a
    summary.
    """

    accept_graph: bool
    restore_sessions: bool


class RunWishes(AnyWishes, total=False):
    """What a run may be given when it begins: as the options of `attractor run`."""

    model: str
    provider: str
    outcomes: JsonObject
    workspace: WorkspaceKind | str
    include_dirty: bool
    sandbox: str
    answers: Iterable[str]
    suite: str
    profile: str
    run_dir: str | Path


@dataclass(frozen=True)
class Wanted:
    """What a program wished for, checked and adapted."""

    wishes: RunWishes
    custom_parts: CustomParts

    def host(self, watch: Observer) -> RunHost:
        """Return the world of the project that is meant."""
        environ = self.wishes.get("environ", os.environ)
        folder = Path(self.wishes.get("project", ".")).absolute()
        configuration = load_configuration(
            start=folder, cwd=folder, environ=environ, user_file=user_config_file()
        )
        return open_host(
            configuration,
            environ=dict(environ),
            input=sys.stdin,
            output=sys.stderr,
            watch=watch,
            custom_parts=self.custom_parts,
        )

    @property
    def budgets(self) -> Budgets:
        """What the run may use at most."""
        limit = self.wishes.get("max_duration")
        return Budgets(
            self.wishes.get("max_cost_usd"),
            self.wishes.get("max_tokens"),
            parse_duration(limit) if isinstance(limit, str) else limit,
        )

    @property
    def given(self) -> GivenSecrets:
        """What a run that goes on is given again."""
        return GivenSecrets(goal=self.wishes.get("goal", ""), inputs=self.wishes.get("inputs", {}))

    def named(self, part: str, default: str) -> str:
        """Return the name of a part; one that was handed in has none of its own."""
        given: object = self.wishes.get(part, default)
        return given if isinstance(given, str) else HANDED_IN

    def request(self, file: Path) -> RunRequest:
        """Return the options of a run that begins."""
        wishes = self.wishes
        outcomes = wishes.get("outcomes")
        if outcomes is not None:
            check_outcomes(outcomes, file="outcomes")
        return RunRequest(
            file=file,
            goal=wishes.get("goal", ""),
            inputs=dict(wishes.get("inputs", {})),
            backend=self.named("backend", "agent"),
            model=wishes.get("model", ""),
            provider=wishes.get("provider", ""),
            workspace=_workspace(wishes.get("workspace", WorkspaceKind.ISOLATED)),
            include_dirty=wishes.get("include_dirty", False),
            sandbox=wishes.get("sandbox", "auto"),
            interviewer=self.named("interviewer", PARKED),
            answers=tuple(wishes.get("answers", ())),
            outcomes=outcomes,
            budgets=self.budgets,
            suite=wishes.get("suite", ""),
            profile=wishes.get("profile", ""),
            handed_in=self.custom_parts.names,
        )


def read_wishes(wishes: RunWishes, kind: type, *, texts: Mapping[str, str]) -> Wanted:
    """Check what a program wished for, and make parts of what it handed in."""
    for name in wishes:
        if name not in (known := kind.__annotations__):
            near = suggest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
            raise UsageError(f"nothing is done with {name}", hint=hint)
    backend, interviewer = wishes.get("backend", ""), wishes.get("interviewer", "")
    custom_parts = CustomParts(
        handlers=adapt_handlers(wishes.get("handlers", {})),
        backend=None if isinstance(backend, str) else adapt_backend(backend),
        interviewer=None if isinstance(interviewer, str) else adapt_interviewer(interviewer),
        transforms=tuple(wishes.get("transforms", ())),
        rules=wishes.get("rules", ()),
        texts=texts,
    )
    return Wanted(wishes, custom_parts)


def file_and_text(pipeline: str | Path | Graph, folder: Path) -> tuple[Path, Mapping[str, str]]:
    """Return where a pipeline lies; a graph lies nowhere, but in a folder, and has its text."""
    if not isinstance(pipeline, Graph):
        return folder / pipeline, {}
    beside = (folder / pipeline.span.file).parent if pipeline.span.file else folder
    # No file has such a name, so that no other text is taken for this one.
    file = beside / "<graph>"
    return file, {str(file): write_graph(pipeline)}


def _workspace(name: WorkspaceKind | str) -> WorkspaceKind:
    try:
        return WorkspaceKind(name)
    except ValueError as cause:
        known = ", ".join(kind.value for kind in WorkspaceKind)
        raise UsageError(f"there is no workspace {name!r}", hint=f"there are {known}") from cause


def as_run_wishes(wishes: ResumeWishes) -> RunWishes:
    """Return wishes for a run that goes on as those of one that begins."""
    return cast(RunWishes, wishes)


A_PROGRAM = "a program"
"""Who accepts a pipeline that changed, when no person does."""

Work = Callable[[RunHost], Coroutine[Any, Any, RunResult]]


async def run_pipeline(pipeline: str | Path | Graph, **wishes: Unpack[RunWishes]) -> RunResult:
    """Run a pipeline from its file, or a graph, until it ends or rests.

    All that `attractor run` keeps is kept: the run can be looked at, answered and gone on with from
    the command line, as long as no part of it was handed in.
    """
    folder = Path(wishes.get("project", ".")).absolute()
    file, texts = file_and_text(pipeline, folder)
    wanted = read_wishes(wishes, RunWishes, texts=texts)
    request = wanted.request(file)
    root = Path(wishes["run_dir"]).absolute() if "run_dir" in wishes else None
    evaluate = wishes.get("evaluate", True)
    return await _watched(wanted, lambda host: launch(request, host, root=root, evaluate=evaluate))


async def resume_pipeline(run: str | Path, **wishes: Unpack[ResumeWishes]) -> RunResult:
    """Go on with a run that rests or died: by its id, its directory, or `latest`.

    What was handed in when it began is to be handed in again.
    """
    wanted = read_wishes(as_run_wishes(wishes), ResumeWishes, texts={})

    def work(host: RunHost) -> Coroutine[Any, Any, RunResult]:
        return go_on(
            find_run(str(run), host.runs_dir),
            host,
            interviewer=wanted.named("interviewer", ""),
            budgets=wanted.budgets,
            restores_sessions=wishes.get("restore_sessions", False),
            given=wanted.given,
            accepts_graph=A_PROGRAM if wishes.get("accept_graph") else "",
            evaluate=wishes.get("evaluate", True),
        )

    return await _watched(wanted, work)


def run_pipeline_sync(pipeline: str | Path | Graph, **wishes: Unpack[RunWishes]) -> RunResult:
    """Run a pipeline as `run_pipeline` does, and wait until it ends or rests."""
    require_no_loop("run_pipeline")
    return asyncio.run(run_pipeline(pipeline, **wishes))


def resume_pipeline_sync(run: str | Path, **wishes: Unpack[ResumeWishes]) -> RunResult:
    """Go on with a run as `resume_pipeline` does, and wait until it ends or rests."""
    require_no_loop("resume_pipeline")
    return asyncio.run(resume_pipeline(run, **wishes))


async def _watched(wanted: Wanted, work: Work) -> RunResult:
    """Do the work of a run while its observer looks on; say so when that one gave up."""
    observer = _Observer(wanted.wishes.get("observer"))
    try:
        return await work(wanted.host(observer))
    finally:
        observer.end()


class _Observer:
    """Calls a program back; the first error of it ends that, and is told when the run is over."""

    def __init__(self, callback: Callable[[Event], None] | None) -> None:
        self._callback = callback
        self._trouble: Exception | None = None

    def __call__(self, event: Event) -> None:
        if self._callback is None or self._trouble:
            return
        try:
            self._callback(event)
        # Whatever it is, it must not end the run, and somebody is to hear of it.
        except Exception as trouble:  # noqa: BLE001
            self._trouble = trouble

    def end(self) -> None:
        if isinstance(self._callback, EventStream):
            self._callback.end()
        if self._trouble:
            told = f"the observer raised {self._trouble!r} and was not called any more"
            warnings.warn(told, RuntimeWarning, stacklevel=3)

"""The public door: a program runs pipelines, as the command line does, and with its own parts."""

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Unpack

from attractor.base.callables import require_no_loop
from attractor.base.events import Event
from attractor.engine.state.run_state import RunResult
from attractor.factory.event_stream import EventStream
from attractor.factory.launch import go_on, launch
from attractor.factory.wishes import (
    ResumeWishes,
    RunWishes,
    Wanted,
    as_run_wishes,
    file_and_text,
    read_wishes,
)
from attractor.language.graph.graph import Graph
from attractor.pipeline.host import RunHost
from attractor.pipeline.run_lookup import find_run

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
    options = wanted.options(file)
    root = Path(wishes["run_dir"]).absolute() if "run_dir" in wishes else None
    evaluate = wishes.get("evaluate", True)
    return await _watched(
        wanted, lambda world: launch(options, world, root=root, evaluate=evaluate)
    )


async def resume_pipeline(run: str | Path, **wishes: Unpack[ResumeWishes]) -> RunResult:
    """Go on with a run that rests or died: by its id, its directory, or `latest`.

    What was handed in when it began is to be handed in again.
    """
    wanted = read_wishes(as_run_wishes(wishes), ResumeWishes, texts={})

    def work(world: RunHost) -> Coroutine[Any, Any, RunResult]:
        return go_on(
            find_run(str(run), world.runs_dir),
            world,
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
        return await work(wanted.world(observer))
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

"""Warns of work in progress that declares the same files as new work, or lets new work wait for it.

Pipelines declare them by the graph attribute `touches`, actors by an option.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.locks import FileLock
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, is_held, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, interrupt_run
from attractor.engine.state.run_state import BOOTING, EXECUTING, WAITING, Wait, WaitReason
from attractor.environments.orphan_processes import MARK
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.touches import declared_touches, read_touches, shared_touches
from attractor.language.reading import parse
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.records.drawing import read_graph
from attractor.records.lookup import list_folders
from attractor.worlds.actors import actors_of_project

_POLL = timedelta(milliseconds=500)
_LOCK_PATIENCE_S = 30.0


@dataclass(frozen=True)
class DeclaredWork:
    """Work in progress, and the patterns of the files that it is expected to change.

    `waits`: it is a run that itself waits for other work. `is_at_work`: a process executes it.
    """

    name: str
    touches: Sequence[str]
    run_id: str = ""
    waits: bool = False
    is_at_work: bool = True

    def precedes(self, run_id: str) -> bool:
        """Return whether a run waits for this work; of two that wait, the older one does not."""
        if self.waits:
            return self.run_id < run_id
        return self.is_at_work and self.run_id != run_id


def overlap_warnings(touches: Sequence[str], others: Iterable[DeclaredWork]) -> Iterator[str]:
    """Yield a warning for each other work that may change the same files."""
    for other in others:
        if shared := shared_touches(touches, other.touches):
            yield f"{other.name} may change the same files: {', '.join(shared)}"


def work_in_progress(opened: OpenProject) -> Iterator[DeclaredWork]:
    """Yield the runs that a process of the project executes, and the actors, with their files."""
    for root in list_folders(opened.project.runs_dir):
        directory = RunDirectory(root)
        # A damaged run is reported elsewhere.
        with suppress(AttractorError):
            if is_held(directory.lock):
                touches = declared_touches(read_graph(directory))
                run_id = read_manifest(directory).run_id
                wait = open_journal(directory.events, directory.checkpoint).state.wait
                waits = wait is not None and wait.reason is WaitReason.OVERLAP
                yield DeclaredWork(f"run {run_id}", touches, run_id, waits)
    for folder in actors_of_project(opened):
        with suppress(AttractorError):
            history = folder.read()
            if not history.archived:
                touches, is_at_work = read_touches(history.actor.touches), is_held(folder.lock)
                yield DeclaredWork(f"actor {folder.name}", touches, is_at_work=is_at_work)


def warn_of_overlap(opened: OpenProject, touches: Sequence[str]) -> None:
    """Tell a person which other work may change the same files, if the settings say so."""
    if touches and opened.project.worlds.overlap == "warn":
        for warning in overlap_warnings(touches, work_in_progress(opened)):
            opened.project.console.tell(f"Warning: {warning}.")


def await_others(opened: OpenProject, touches: Sequence[str]) -> None:
    """Wait until no other work may change the same files, if the settings say so."""
    if not touches or opened.project.worlds.overlap != "wait":
        return
    now, told = opened.project.machine.new_run_id(), ""
    while words := _overlap_before(now, touches, opened):
        if words != told:
            opened.project.console.tell(f"Waiting: {words}.")
        told = words
        time.sleep(_POLL.total_seconds())


async def await_turn(opened: OpenProject, begun: BegunRun) -> None:
    """Let a new run wait until no other work may change the same files, or until it is canceled.

    Meanwhile it has the status `waiting`. A run that a stage started is a part of the work of the
    stage.
    """
    run, touches = begun.run, declared_touches(begun.plan.pipeline.graph)
    is_part = begun.plan.origin.is_restart or MARK in opened.project.machine.environ
    if not touches or run.state.progress or not run.state.may_walk or is_part:
        return
    try:
        while not run.state.canceled and not _take_turn(run, touches, opened):
            await run.clock.sleep(_POLL)
            run.take_orders()
    except asyncio.CancelledError:
        interrupt_run(run)
        raise


def _take_turn(run: OpenRun, touches: Sequence[str], opened: OpenProject) -> bool:
    """Let a run execute, or wait; return whether it executes.

    The lock keeps two runs from doing so at the same time, each before it sees the other one.
    """
    lock = FileLock(opened.project.machine.state_dir / "overlap.lock")
    with lock.acquire(wait=_LOCK_PATIENCE_S, purpose="overlap of work"):
        words = _overlap_before(run.manifest.run_id, touches, opened)
        if words and run.state.status == WAITING and run.state.reason == words:
            return False
        if run.state.status in (BOOTING, WAITING):
            run.change_status(EXECUTING)
        if words:
            run.change_status(WAITING, words, wait=Wait(WaitReason.OVERLAP))
            opened.project.console.tell(f"The run waits: {words}.")
        return not words


def _overlap_before(run_id: str, touches: Sequence[str], opened: OpenProject) -> str:
    """Return the work that a run waits for, or ""."""
    others = (work for work in work_in_progress(opened) if work.precedes(run_id))
    return "; ".join(overlap_warnings(touches, others))


def touches_of_file(file: Path, opened: OpenProject) -> Sequence[str]:
    """Return the files that a pipeline declares; none if it cannot be read, which others report."""
    with suppress(AttractorError, OSError):
        text = opened.project.parts.texts.get(str(file.absolute())) or file.read_text()
        return declared_touches(parse(text, file=str(file)))
    return ()

"""Ends processes that an earlier runner of a run left behind."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.json import Json
from attractor.engine.run_folder.layout import CHILDREN, Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.environments.orphan_processes import kill_orphans, kill_orphans_blocking
from attractor.environments.process_table import Process
from attractor.language.source.text import visible
from attractor.pipeline.host.run_host import RunHost

LEFT_RUNNING_ENDED = "LeftRunningEnded"
"""The event that records processes of an earlier runner that were ended."""


MOST_NAMED = 20
"""How many processes the event names at most; its count includes all."""


_KEEPS_ALL = "bubblewrap"
"""The sandbox in which every process ends with the runner."""


async def end_left_running(run: OpenRun) -> Sequence[Process]:
    """End processes of an earlier runner, before the workspace is opened."""
    ended = await kill_orphans(_marked_as(run.directory.root)) if _may_leave(run.manifest) else ()
    _left_running_tell(run, ended)
    return ended


def end_left_running_now(run: OpenRun) -> Sequence[Process]:
    """End processes of an earlier runner, and block until they are gone."""
    ended = (
        kill_orphans_blocking(_marked_as(run.directory.root)) if _may_leave(run.manifest) else ()
    )
    _left_running_tell(run, ended)
    return ended


async def end_left_running_of(root: Path, host: RunHost) -> None:
    """End processes of another run that was killed in the same folder."""
    with open_run(root, clock=host.clock, redactor=host.redactor) as other:
        ended = await end_left_running(other)
    if ended:
        told = f"Ended what {other.manifest.run_id} had left running: {name_processes(ended)}."
        host.tell(told)


def name_processes(processes: Sequence[Process]) -> str:
    """Return the names and ids of processes, for people."""
    named = ", ".join(f"{one.name} ({one.number})" for one in processes[:MOST_NAMED])
    more = len(processes) - MOST_NAMED
    # A process may call itself anything, and no terminal shall obey it.
    return visible(f"{named} and {more} more" if more > 0 else named)


def _may_leave(manifest: Manifest) -> bool:
    return manifest.options.get("sandbox") != _KEEPS_ALL


def _marked_as(root: Path) -> str:
    """Return the run id that marks the processes: that of the outermost run."""
    while root.parent.name == CHILDREN:
        root = root.parent.parent
    return read_manifest(RunDirectory(root)).run_id


def _left_running_tell(run: OpenRun, ended: Sequence[Process]) -> None:
    if ended:
        named: list[Json] = [{"pid": one.number, "name": one.name} for one in ended[:MOST_NAMED]]
        run.emit(LEFT_RUNNING_ENDED, {"count": len(ended), "processes": named}, sync=True)

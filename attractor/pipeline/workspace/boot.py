"""Makes a workspace fit before the first stage, and tells in the journal what was done for that.

Ends what an earlier life of a run left running, and tells of it in the journal.

Whoever does so holds the run: what somebody is at work on is left alone.
"""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import write_whole
from attractor.base.ids import time_of
from attractor.base.journal import read_lines
from attractor.base.json import Json
from attractor.engine.run_folder.layout import CHILDREN, Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.state.identifiers import StageReference
from attractor.engine.state.run_state import QUEUED
from attractor.environments.orphan_processes import kill_orphans, kill_orphans_blocking
from attractor.environments.process_table import Process
from attractor.language.source.text import visible
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.prepared_run import PreparedRun
from attractor.pipeline.workspace.sandbox import preparation_of
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.setup.preparation import NO_PREPARATION, Prepared, SetupRun, SetupWas

BOOT_STEP = "BootStep"
"""The kind emitted for each thing that was done before the first stage."""

SETUP_LOG = "setup.log"
"""What setups printed, in the directory of the run."""


async def boot(run: OpenRun, prepared: PreparedRun) -> None:
    """Copy files of the project into the workspace, and run its setup, once."""
    workspace, host = prepared.workspace, prepared.host
    if not isinstance(workspace, Dimension):
        return
    log = _BootLog(run)
    is_first = run.state.status == QUEUED and not _has_booted(run)
    if is_first:
        # Its id is the first thing that a run has.
        seconds = (run.clock.now() - time_of(run.manifest.run_id)).total_seconds()
        log.step("environment", {"sandbox": prepared.sandbox.kind})
        made: dict[str, Json] = {
            "kind": prepared.request.workspace.value,
            "commit": workspace.base.commit,
        }
        log.step("workspace", {**made, "seconds": max(0.0, round(seconds, 3))})
    if host.preparation == NO_PREPARATION:
        return
    began = run.clock.monotonic()
    wanted = preparation_of(prepared.sandbox, host)
    done = await workspace.prepare(wanted, project=host.project, on_setup=log.setup)
    seconds = round(run.clock.monotonic() - began, 3)
    if is_first and (done.carried or done.read_only or done.lacking):
        log.step("carry", _brought(done, host))
    if done.setup is SetupWas.KEPT:
        log.step(
            "setup",
            {"command": host.preparation.setup, "how": SetupWas.KEPT.value, "seconds": seconds},
        )
    _tell(done, host)


def _has_booted(run: OpenRun) -> bool:
    """Tell whether this was begun before: a setup may have failed."""
    word = BOOT_STEP.encode()
    return any(word in line.content for line in read_lines(run.directory.events))


def _brought(prepared: Prepared, host: RunHost) -> dict[str, Json]:
    return {
        "carried": [*prepared.carried],
        "read_only": [*prepared.read_only],
        "copied_instead": [*_copied_instead(prepared, host)],
        "lacking": [*prepared.lacking],
    }


def _copied_instead(prepared: Prepared, host: RunHost) -> Sequence[str]:
    """Return what was to be read-only and was copied, for nothing can be shown here."""
    return [path for path in host.preparation.shown_paths if path in prepared.carried]


def _tell(prepared: Prepared, host: RunHost) -> None:
    shown = host.preparation.shown_paths
    for path in prepared.lacking:
        name = "carry_read_only" if path in shown else "carry"
        host.tell(f"workspace.{name}: there is no {path} in the project.")
    if copied := _copied_instead(prepared, host):
        host.tell(
            "workspace.carry_read_only: without a sandbox nothing can be brought along read-only; "
            f"copied instead, and writable: {', '.join(copied)}."
        )
    if prepared.setup is SetupWas.RUN:
        host.tell(f"The workspace is set up ({prepared.seconds:.0f} s).")
    if prepared.undone:
        host.tell(f"The setup changed files of the project, now as before: {_some(prepared)}.")


def _some(prepared: Prepared) -> str:
    return ", ".join(prepared.undone[:5]) + (", ..." if len(prepared.undone) > 5 else "")


@dataclass(frozen=True)
class _BootLog:
    """Writes what is done into the run: a setup may also be run for a branch, later."""

    run: OpenRun

    def step(self, name: str, told: dict[str, Json], *, branch: str = "") -> None:
        """Write that something was done."""
        place = StageReference(branch=branch or None)
        self.run.emit(BOOT_STEP, {"step": name, **told}, place=place)

    def setup(self, setup: SetupRun) -> None:
        """Write that a setup was run, and what it printed."""
        file = self.run.directory.root / SETUP_LOG
        before = file.read_text() if file.exists() else ""
        where = f" for {setup.fork}" if setup.fork else ""
        head = f"$ {setup.command}   (ended with {setup.exit_code}{where})"
        write_whole(file, before + self.run.redactor.text(f"{head}\n{setup.output}\n"))
        told: dict[str, Json] = {
            "command": setup.command,
            "how": SetupWas.RUN.value,
            "exit_code": setup.exit_code,
            "timed_out": setup.timed_out,
            "seconds": setup.seconds,
            "output": SETUP_LOG,
        }
        self.step("setup", told, branch=setup.fork)


LEFT_RUNNING_ENDED = "LeftRunningEnded"
"""The kind emitted when processes that an earlier life of the run left running were ended."""

MOST_NAMED = 20
"""How many of them the event names; the count is of all."""

_KEEPS_ALL = "bubblewrap"
"""The place of work in which everything ends with the process that runs the run."""


async def end_left_running(run: OpenRun) -> Sequence[Process]:
    """End what an earlier life of a run left running, before anything of it is made again."""
    ended = await kill_orphans(_marked_as(run.directory.root)) if _may_leave(run.manifest) else ()
    _left_running_tell(run, ended)
    return ended


def end_left_running_now(run: OpenRun) -> Sequence[Process]:
    """End what an earlier life of a run left running, and let everything else wait for that."""
    ended = (
        kill_orphans_blocking(_marked_as(run.directory.root)) if _may_leave(run.manifest) else ()
    )
    _left_running_tell(run, ended)
    return ended


async def end_left_running_of(root: Path, host: RunHost) -> None:
    """End what another run left running that was killed: it is at work in the same folder."""
    with open_run(root, clock=host.clock, redactor=host.redactor) as other:
        ended = await end_left_running(other)
    if ended:
        told = f"Ended what {other.manifest.run_id} had left running: {name_processes(ended)}."
        host.tell(told)


def name_processes(processes: Sequence[Process]) -> str:
    """Return some processes for people: the names of their commands, and their numbers."""
    named = ", ".join(f"{one.name} ({one.number})" for one in processes[:MOST_NAMED])
    more = len(processes) - MOST_NAMED
    # A process may call itself anything, and no terminal shall obey it.
    return visible(f"{named} and {more} more" if more > 0 else named)


def _may_leave(manifest: Manifest) -> bool:
    return manifest.options.get("sandbox") != _KEEPS_ALL


def _marked_as(root: Path) -> str:
    """Return the run whose name the commands carry: that of the whole, also for a part of it."""
    while root.parent.name == CHILDREN:
        root = root.parent.parent
    return read_manifest(RunDirectory(root)).run_id


def _left_running_tell(run: OpenRun, ended: Sequence[Process]) -> None:
    if ended:
        named: list[Json] = [{"pid": one.number, "name": one.name} for one in ended[:MOST_NAMED]]
        run.emit(LEFT_RUNNING_ENDED, {"count": len(ended), "processes": named}, sync=True)

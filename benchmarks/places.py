"""Cost of a place, over SSH on the loopback and in a container, beside a worktree of this machine.

Both have 10,000 files. The floor is the same work on this machine, without a sandbox.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from attractor.config.settings import PlaceSettings
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.local import LocalExecutionEnvironment
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.place import choose_place
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.placed_environment import PlacedEnvironment
from attractor.workspaces.tracked_folder import TrackedFolder
from benchmarks.figures import NotMeasured, Row
from benchmarks.folders import Folders
from benchmarks.workspaces import AUTHOR, SEARCH_PATH, Times, make_project
from tests.environments.containers import IMAGE, podman
from tests.environments.remotes import ssh_server
from tests.pipeline.projects import adjusted, open_project, simulated

FILES = 10_000
ROUNDS, CALLS, SNAPSHOTS = 3, 15, 5
FAR_MS = 60_000
Make = Callable[[Path], ExecutionEnvironment]


@dataclass
class Measured:
    """The measurements of one place."""

    start: Times = field(default_factory=Times)
    again: Times = field(default_factory=Times)
    call: Times = field(default_factory=Times)
    snapshot: Times = field(default_factory=Times)

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the medians."""
        yield self.start.figure(f"{name}: start of the first task / in a worktree", None)
        yield self.again.figure(f"{name}: start of the next task / first in a worktree", None)
        yield self.call.figure(f"{name}: tool call / in a worktree", None)
        yield self.snapshot.figure(f"{name}: snapshot of 1 change / in a worktree", None)


def rows() -> Iterator[Row]:
    """Measure each kind of place that this machine has."""
    with Folders() as folders:
        for name, measure in {"SSH": _over_ssh, "container": _in_containers}.items():
            try:
                yield from measure(folders.new()).rows(name)
            except pytest.skip.Exception as why:
                yield NotMeasured(name, str(why))


def _over_ssh(below: Path) -> Measured:
    (keys := below / "sshd").mkdir()
    with ssh_server(keys) as server:
        root = str(below / "there")
        place = PlaceSettings(host=server.host, root=root, options=tuple(server.options))
        return asyncio.run(_measure(_project_in(below), place))


def _in_containers(below: Path) -> Measured:
    (storage := below / "podman").mkdir()
    with podman(storage) as environ:
        opened = adjusted(_project_in(below), environ=dict(environ))
        return asyncio.run(_measure(opened, PlaceSettings(kind="podman", image=IMAGE)))


def _project_in(below: Path) -> Project:
    make_project(below / "project", FILES)
    return open_project(below / "project")


async def _measure(opened: Project, place: PlaceSettings) -> Measured:
    opened, measured = replace(opened, places={"box": place}), Measured()
    local = partial(LocalExecutionEnvironment, environ=opened.machine.environ)
    for number in range(ROUNDS):
        request = simulated(opened.root, place="box")
        there = choose_place(request, opened, f"there-{number}", Promises()).make
        floor, here = await _timed_start(opened, f"here-{number}", local)
        taken, placed = await _timed_start(opened, f"there-{number}", there)
        measured.start.add(floor, taken)
        for _ in range(CALLS):
            measured.call.add(await _time_of_call(here), await _time_of_call(placed))
        for change in range(SNAPSHOTS):
            pair = [await _time_of_snapshot(one, change) for one in (here, placed)]
            measured.snapshot.add(*pair)
        await placed.environment.cleanup()
        began = time.perf_counter()
        await placed.environment.initialize()
        measured.again.add(floor, time.perf_counter() - began)
        for one in (here, placed):
            await one.environment.cleanup()
        assert isinstance(placed.environment, PlacedEnvironment)
        await placed.environment.release()
    return measured


async def _timed_start(opened: Project, run_id: str, make: Make) -> tuple[float, TrackedFolder]:
    """Make a workspace and open its environment, as before the first stage of a task."""
    began = time.perf_counter()
    workspace = await create_isolated(
        await open_repository(opened.root, search_path=SEARCH_PATH),
        state=opened.machine.state_dir,
        run_id=run_id,
        commit="HEAD",
        author=AUTHOR,
        environment=make,
    )
    await workspace.environment.initialize()
    return time.perf_counter() - began, workspace


async def _time_of_call(workspace: TrackedFolder) -> float:
    began = time.perf_counter()
    result = await workspace.environment.exec_command("true", timeout_ms=FAR_MS)
    assert result.exit_code == 0, result
    return time.perf_counter() - began


async def _time_of_snapshot(workspace: TrackedFolder, change: int) -> float:
    await workspace.environment.write_file("src/7/file_7.py", f"changed {change}\n")
    began = time.perf_counter()
    await workspace.snapshot("one")
    return time.perf_counter() - began

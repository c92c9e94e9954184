"""Time to make, fork and inspect a workspace of 20,000 files."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.tracked_folder import TrackedFolder
from benchmarks.figures import Figure, Row
from benchmarks.folders import Folders

FILES = 20_000
FOLDERS = 400
ROUNDS = 3
SNAPSHOTS = 7
SEARCH_PATH = os.environ.get("PATH", "")
AUTHOR = Author("Somebody", "somebody@localhost", datetime(2026, 1, 1, tzinfo=UTC))

READY = 4.0
FORK = 4.0
SNAPSHOT = 3.0

# Bounds of minimal times, because a busy machine takes longer.
READY_S, SNAPSHOT_S = 3.0, 0.15


@dataclass
class Times:
    """Seconds, each beside those of its floor."""

    floors: list[float] = field(default_factory=list[float])
    taken: list[float] = field(default_factory=list[float])

    def add(self, floor: float, taken: float) -> None:
        """Add a pair."""
        self.floors.append(floor)
        self.taken.append(taken)

    def figure(self, name: str, bound: float | None) -> Figure:
        """Return the medians."""
        return Figure.paired(name, zip(self.floors, self.taken, strict=True), bound)

    def least(self, name: str, bound: float) -> Figure:
        """Return the least time."""
        return Figure(f"{name}, at best", min(self.taken), bound, "s")


def rows() -> Iterator[Row]:
    """Measure in a new repository."""
    # Nothing is removed until the end: after removals ext4 makes files slowly, for minutes.
    with Folders() as folders:
        measured = asyncio.run(_measure(folders.new()))
    yield measured.ready.figure("20,000 files: workspace / writing them", READY)
    yield measured.fork.figure("20,000 files: fork / writing them", FORK)
    yield measured.snapshot.figure("20,000 files: snapshot of 1 change / looking", SNAPSHOT)
    yield measured.ready.least("20,000 files: workspace", READY_S)
    yield measured.fork.least("20,000 files: fork", READY_S)
    yield measured.snapshot.least("20,000 files: snapshot of 1 change", SNAPSHOT_S)


def make_project(folder: Path, files: int = FILES) -> None:
    """Make a repository of one commit, with no work tree."""
    folder.mkdir()
    _git(folder, "init", "--quiet", "--initial-branch=main")
    lines = [b"commit refs/heads/main\ncommitter A <a@localhost> 1 +0000\ndata 0\n"]
    for number in range(files):
        content = content_of(number)
        path = f"src/{number % FOLDERS}/file_{number}.py".encode()
        lines.append(b"M 644 inline %s\ndata %d\n%s\n" % (path, len(content), content))
    _git(folder, "fast-import", "--quiet", stdin=b"".join(lines))


def content_of(number: int) -> bytes:
    """Return the content of a file: some 1,500 bytes, different in each file."""
    return f"value = {number}\n".encode() * (number % 150 + 20)


def write_plainly(folder: Path) -> None:
    """Write the same number of files with the same content: the minimal cost of a workspace."""
    for number in range(FILES):
        file = folder / f"src/{number % FOLDERS}" / f"file_{number}.py"
        if number < FOLDERS:
            file.parent.mkdir(parents=True)
        file.write_bytes(content_of(number))


def look_at(folder: Path) -> int:
    """Ask the system about every file: the minimal cost of a snapshot."""
    size, waiting = 0, [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    waiting.append(one.path)
                else:
                    size += one.stat(follow_symlinks=False).st_size
    return size


@dataclass
class Measured:
    """The measurements so far."""

    ready: Times = field(default_factory=Times)
    fork: Times = field(default_factory=Times)
    snapshot: Times = field(default_factory=Times)


async def _measure(below: Path) -> Measured:
    make_project(below / "project")
    measured = Measured()
    for number in range(ROUNDS):
        floor = _time_of_plain(below / f"plain {number}")
        began = time.perf_counter()
        workspace = await _make(below, f"run-{number}")
        measured.ready.add(floor, time.perf_counter() - began)
        forked = await _time_of(workspace.fork("a", workspace.base.candidate))
        measured.fork.add(floor, forked)
        await _measure_snapshots(workspace, measured.snapshot)
    return measured


async def _measure_snapshots(workspace: TrackedFolder, times: Times) -> None:
    for change in range(SNAPSHOTS):
        began = time.perf_counter()
        look_at(workspace.folder)
        floor = time.perf_counter() - began
        (workspace.folder / "src/7/file_7.py").write_text(f"changed {change}\n")
        times.add(floor, await _time_of(workspace.snapshot("one")))


async def _make(below: Path, run_id: str) -> TrackedFolder:
    return await create_isolated(
        await open_repository(below / "project", search_path=SEARCH_PATH),
        state=below / "state",
        run_id=run_id,
        commit="HEAD",
        author=AUTHOR,
        environment=lambda folder: MemoryExecutionEnvironment(),
    )


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> None:
    command = ["git", *arguments]
    subprocess.run(command, cwd=folder, input=stdin, check=True, capture_output=True, timeout=120)


def _time_of_plain(folder: Path) -> float:
    before = time.perf_counter()
    write_plainly(folder)
    return time.perf_counter() - before


async def _time_of(work: Awaitable[object]) -> float:
    before = time.perf_counter()
    await work
    return time.perf_counter() - before

"""Makes projects in git repositories, and hosts for their runs."""

import asyncio
import io
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.base.events import Event
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline import execute
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.plan.origins import Forked, New, find_fork
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest
from tests.repositories import begin_repository

LINEAR = """
digraph linear {
    graph [goal="Say hello"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan: $goal"]
    make  [shape=parallelogram, tool_command="echo made > made.txt"]
    start -> plan -> make -> exit
}
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@localhost"]
    command = ["git", *identity, "-c", "maintenance.auto=false", *words]
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return result.stdout


def make_project(folder: Path, pipeline: str = LINEAR, **files: str) -> Path:
    """Make a repository with one commit: a pipeline and the given files."""
    folder.mkdir(parents=True)
    begin_repository(folder)
    for name, text in {"pipeline.dot": pipeline, "readme.txt": "hello\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def make_host(
    project: Path, *, observer: Callable[[Event], None] | None = None, **environ: str
) -> RunHost:
    """Make the host of a project; its state and its workspaces are beside it."""
    workspaces_dir = project.parent / "shared"
    workspaces_dir.mkdir(exist_ok=True)
    return RunHost(
        project=project,
        state_dir=project.parent / "state",
        runs_dir=project / "runs",
        workspaces_dir=workspaces_dir,
        environ={"PATH": os.environ["PATH"], "HOME": str(project.parent), **environ},
        clock=SystemClock(),
        randomness=os.urandom,
        input=io.StringIO(),
        output=io.StringIO(),
        version="0",
        # Drawing takes another process for each run; tests of drawings switch it on.
        observer=observer,
    )


def simulated(project: Path, **more: object) -> RunRequest:
    """Return the request of a simulated run without a sandbox."""
    plain = RunRequest(file=project / "pipeline.dot", backend="simulate", sandbox="none")
    return replace(plain, **more)


async def start(request: RunRequest, host: RunHost, *, root: Path | None = None) -> RunResult:
    """Start a run that nothing judges."""
    return await execute.start(New(request, root, host.custom_parts.texts), host)


async def fork(
    root: Path,
    at: str,
    host: RunHost,
    overrides: Overrides = NO_OVERRIDES,
    *,
    graph: Path | None = None,
) -> RunResult:
    """Fork a run that nothing judges."""
    run, point = find_fork(root, at)
    origin = Forked(run=run, point=point, overrides=overrides, graph=graph)
    return await execute.start(origin, host)


def make_runs(tmp_path: Path, count: int) -> tuple[Path, list[str]]:
    """Execute simulated runs of a new project; return the runs folder and the ids."""
    project = make_project(tmp_path / "project")
    host = make_host(project)
    chosen = simulated(project)
    ids = [asyncio.run(start(chosen, host)).run_id for _ in range(count)]
    return host.runs_dir, ids

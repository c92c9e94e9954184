"""Makes projects in git repositories, and starts runs in them."""

import asyncio
import io
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from attractor.base.events import Event
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline import execute
from attractor.pipeline.plan.origins import Forked, New, find_fork
from attractor.pipeline.project.console import Console
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Project
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
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
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


def open_project(
    folder: Path, *, observer: Callable[[Event], None] | None = None, **environ: str
) -> Project:
    """Open the project in a folder; its state and its workspaces are beside it."""
    workspaces_dir = folder.parent / "shared"
    workspaces_dir.mkdir(exist_ok=True)
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **environ}
    return Project(
        machine=Machine(state_dir=folder.parent / "state", environ=variables, version="0"),
        console=Console(input=io.StringIO(), output=io.StringIO(), observer=observer),
        root=folder,
        runs_dir=folder / "runs",
        workspaces_dir=workspaces_dir,
    )


def adjusted(project: Project, **fields: Any) -> Project:
    """Return the project with other values of fields, also of its machine and its console."""
    parts = {"machine": project.machine, "console": project.console}
    for name, part in parts.items():
        own = {key: fields.pop(key) for key in [*fields] if hasattr(part, key)}
        fields |= {name: replace(part, **own)} if own else {}
    return replace(project, **fields)


def simulated(project: Path, **more: object) -> RunRequest:
    """Return the request of a simulated run without a sandbox."""
    plain = RunRequest(file=project / "pipeline.dot", backend="simulate", sandbox="none")
    return replace(plain, **more)


async def start(request: RunRequest, opened: Project, *, root: Path | None = None) -> RunResult:
    """Start a run that nothing judges."""
    return await execute.start(New(request, root, opened.parts.texts), opened)


async def fork(
    root: Path,
    at: str,
    opened: Project,
    overrides: Overrides = NO_OVERRIDES,
    *,
    graph: Path | None = None,
) -> RunResult:
    """Fork a run that nothing judges."""
    run, point = find_fork(root, at)
    origin = Forked(run=run, point=point, overrides=overrides, graph=graph)
    return await execute.start(origin, opened)


def make_runs(tmp_path: Path, count: int) -> tuple[Path, list[str]]:
    """Execute simulated runs of a new project; return the runs folder and the ids."""
    project = make_project(tmp_path / "project")
    opened = open_project(project)
    chosen = simulated(project)
    ids = [asyncio.run(start(chosen, opened)).run_id for _ in range(count)]
    return opened.runs_dir, ids

"""Builds a plan: its commit on top of a branch, and the run of the crew on it (ruling G12).

The plan commit contains the specification and the stage of a plan. It lies in no branch until it is
promoted together with its code; a ref keeps it. `shipped_pipeline` finds the pipelines of the crew.
"""

import shlex
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import canonical_json, parse_json
from attractor.base.records import read_record, write_record
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import (
    AWAITING_DECISION,
    CANCELED,
    EVALUATING,
    FAILED,
    RunStatus,
)
from attractor.environments.errors import NO_PORTS, NotSupported
from attractor.environments.selection import choose_environment
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.growth.errors import UnknownGraph
from attractor.growth.lineage import DeployedStage, next_stage, read_stages, write_stage
from attractor.growth.plans.plan import Plan
from attractor.growth.specification.files import write_spec
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.files import SHIPPED
from attractor.pipeline.source.gallery import SHIPPED_PIPELINES
from attractor.records.lookup import run_names
from attractor.records.request import Overrides, RunRequest
from attractor.workspaces.folders import borrowed_folder, prepare_workspaces_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Git, Repository, find_git_dir, open_repository
from attractor.workspaces.setup.cache import carry

_PACKAGE = Path(__file__).parent


def shipped_pipeline(name: str) -> Path:
    """Return the file of a pipeline of growth, or raise UnknownGraph."""
    for folder in SHIPPED_PIPELINES if name in SHIPPED else ():
        file = folder / f"{name}.dot"
        if file.is_file():
            return file
    hint = f"known: {', '.join(SHIPPED)}; if one of them is missing, reinstall attractor"
    raise UnknownGraph(f"unknown pipeline of growth {name!r}", hint=hint)


def shipped_example(name: str) -> Path:
    """Return the folder of an example with all files of a new app, or raise UnknownName."""
    found = {
        file.parent.name: file.parent
        for folder in reversed(SHIPPED_PIPELINES)
        for file in folder.glob("growth/*/holdouts.json")
    }
    if name not in found:
        raise UnknownName("example", name, list(found))
    return found[name]


REFS = "refs/attractor/stage/"


@asynccontextmanager
async def work_tree(project: Project, repository: Repository, commit: str) -> AsyncGenerator[Path]:
    """Check a commit out into a folder of its own; yield the project in it."""
    make_private_folder(project.machine.state_dir)
    place = prepare_workspaces_folder(
        project.machine.state_dir, shared=project.workspaces_dir, tell=project.console.tell
    )
    # Not below the state folder: carried paths there are hidden from agents.
    with borrowed_folder(place.resolve()) as outer:
        top = outer / "tree"
        # Of a process that was killed.
        await repository.git.run("worktree", "prune")
        await repository.git.run("worktree", "add", "--quiet", "--detach", str(top), commit)
        try:
            folder = top / repository.prefix
            paths = project.preparation.carried_paths
            await in_thread(partial(carry, project.root, paths, folder))
            yield folder
        finally:
            await repository.git.run("worktree", "remove", "--force", str(top))


async def commit_stage(
    project: Project,
    repository: Repository,
    stage: DeployedStage,
    change: Callable[[Path], None],
    *,
    tip: str,
    ref: str,
) -> str:
    """Commit a changed tree and the file of its stage on top of a commit; return the commit."""
    stage = replace(stage, day=project.machine.clock.now().date().isoformat())
    async with work_tree(project, repository, tip) as folder:
        await in_thread(partial(change, folder))
        await in_thread(partial(write_stage, stage, folder))
        git_dir = await find_git_dir(folder, search_path=project.machine.search_path)
        assert git_dir is not None
        git = Git(git_dir, project.machine.search_path, work_tree=folder)
        # A carried path is ignored by git, and is not added.
        await git.run("add", "--all", "--", ".")
        await git.run("add", "--all", "--force", "--", "spec")
        tree = await git.run("write-tree")
    message = f"Plan {stage.label}\n\nAttractor-DeployedStage: {stage.stage}\n"
    commit = await repository.git.run("commit-tree", tree, "-p", tip, stdin=message.encode())
    await repository.git.run("update-ref", f"{REFS}{ref}", commit)
    return commit


BUILD = "build.json"
"""The file of a plan with its commit."""


@dataclass(frozen=True)
class Build:
    """The plan commit of a plan, on top of the commit `tip` of a branch.

    `goal` is shown to the person who decides on its run; `command` continues after an approval.
    """

    plan_hash: str
    branch: str
    tip: str
    commit: str
    stage: str
    goal: str
    command: str


@dataclass(frozen=True)
class CrewRun:
    """A run on a plan commit: its directory, and its status when its process stopped."""

    build: Build
    run_id: str
    directory: Path
    status: RunStatus


async def build_plan(
    project: Project, folder: Path, plan: Plan, *, branch: str, variant: str = ""
) -> Build:
    """Return the plan commit of a plan on a branch; commit it unless it is there already."""
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    tip = await repository.commit(f"refs/heads/{branch}")
    kept = read_build(folder)
    command = deploying_command(plan.id, variant)
    wanted = (plan.hash, branch, tip, command)
    if kept and (kept.plan_hash, kept.branch, kept.tip, kept.command) == wanted:
        return kept
    stage = next_stage(await stages_at(project, repository, tip), plan, is_variant=bool(variant))
    change = partial(write_spec, plan.result)
    commit = await commit_stage(project, repository, stage, change, tip=tip, ref=plan.id)
    lost = "; ".join(step.describe() for step in plan.migration.steps if not step.is_reversible)
    goal = f"Grow to {stage.stage}" + (f" (irreversible: {lost})" if lost else "")
    build = Build(plan.hash, branch, tip, commit, stage.stage, goal, command)
    write_build(build, folder)
    return build


def deploying_command(plan_id: str, variant: str = "") -> str:
    """Return the command that deploys a plan or continues its deployment."""
    as_variant = f" --variant {shlex.quote(variant)}" if variant else ""
    return f"attractor grow deploy {plan_id}{as_variant}"


async def stages_at(project: Project, repository: Repository, commit: str) -> list[DeployedStage]:
    """Return the stages of a commit, the first one first."""
    async with work_tree(project, repository, commit) as tree:
        return list(read_stages(tree))


def read_build(folder: Path) -> Build | None:
    """Read the record of a plan commit, if there is one."""
    file = folder / BUILD
    if not file.exists():
        return None
    record = parse_json(read_regular(file))
    if not isinstance(record, dict):
        raise UsageError(f"{file} is not an object", hint="remove it, and deploy again")
    return read_record(Build, record)


def write_build(build: Build, folder: Path) -> None:
    """Write the record of a plan commit."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / BUILD, canonical_json(write_record(build)))


async def require_ports(project: Project) -> None:
    """Refuse a sandbox without ports before a model is paid: no app could be tried in it."""
    variables = RunScope.of(project).variables_of_tools
    if not (await choose_environment("auto", environ=variables, hide=())).has_ports:
        hint = "type 'apt-get install bubblewrap'; the same command uses it then"
        raise NotSupported(NO_PORTS, hint=hint)


async def run_crew(
    project: Project,
    build: Build,
    *,
    pipeline: Path,
    evaluate: bool,
    suite: str = "",
) -> CrewRun:
    """Run a pipeline on a plan commit, or continue its present run.

    A run without `evaluate` stops before its evaluation; a later call continues it. A run in a
    sandbox without ports is not continued.
    """
    root = find_crew_run(project, build.commit)
    status = read_candidate_run(root).state.status if root else FAILED
    is_over = status in (FAILED, CANCELED)
    if root and not is_over and (status.is_final or (status == EVALUATING and not evaluate)):
        return CrewRun(build, read_candidate_run(root).run_id, root, status)
    await require_ports(project)
    if root is None or is_over or (status != AWAITING_DECISION and _lacks_ports(root)):
        result = await _launch(project, build, pipeline, evaluate=evaluate, suite=suite)
    else:
        result = await resume_run(root, OpenProject(project), Overrides(evaluate=evaluate))
    return CrewRun(build, result.run_id, result.directory, result.status)


def _lacks_ports(root: Path) -> bool:
    """Return whether a run is bound to a sandbox without ports, as earlier versions began some."""
    manifest = read_manifest(RunDirectory(root))
    return manifest.options.get("sandbox") == "landlock" and not manifest.promises.own_loopback


async def _launch(
    project: Project, build: Build, pipeline: Path, *, evaluate: bool, suite: str
) -> RunResult:
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    request = RunRequest(
        file=pipeline,
        goal=build.goal,
        promoted_by=build.command,
        backend=project.backends.default if project.backends else "agent",
        evaluate=evaluate,
        suite=suite,
    )
    # A run starts from the commit that is checked out in its project.
    async with work_tree(project, repository, build.commit) as tree:
        return await start_run(request, OpenProject(replace(project, root=tree)))


def find_crew_run(project: Project, commit: str) -> Path | None:
    """Return the directory of the newest run on a plan commit, if there is one."""
    for name in run_names(project.runs_dir):
        directory = RunDirectory(project.runs_dir / name)
        if directory.manifest.exists() and read_manifest(directory).base.commit == commit:
            return directory.root
    return None

"""Submits the files of a dimension to a suite: a run that only evaluates them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from attractor.base.errors import AttractorError, Refused
from attractor.base.ids import time_of
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, is_held, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.dimensions import Dimension
from attractor.factory.history.records import removed_tasks
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.submission import FILE, start_submission
from attractor.records.lookup import list_folders
from attractor.records.request import RunRequest, Submission, read_request
from attractor.workspaces.create.registry import READ_ONLY
from attractor.workspaces.folders import lock_writer
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.run_store import STORES, open_store, read_record
from attractor.workspaces.worktrees import LinkedWorktree
from attractor.worlds.actors import actors_of_project
from attractor.worlds.dimension_folders import folder_of, place_of
from attractor.worlds.messages import Sender
from attractor.worlds.orders import mark_seen


def runs_in(dimension: Dimension, opened: OpenProject) -> Sequence[Manifest]:
    """Return the runs that worked in a dimension since it was made, oldest first.

    A run that a person started inside of its folder names no dimension, but works there too.
    """
    state = opened.project.machine.state_dir
    found: list[Manifest] = []
    for root in list_folders(opened.project.runs_dir):
        # A damaged run of another dimension is no trouble here.
        with suppress(AttractorError):
            manifest = read_manifest(RunDirectory(root))
            request = read_request(manifest)
            record = read_record(state / STORES / manifest.run_id)
            folder = str(record.folder) if record else ""
            if (
                dimension.has_work_of(request.dimension, folder, manifest.started)
                and request.workspace != READ_ONLY
                and not request.submission
            ):
                found.append(manifest)
    return sorted(found, key=lambda one: one.started)


def _submission_of(
    dimension: Dimension, commit: str, tree: str, work: Sequence[Manifest], opened: OpenProject
) -> Submission:
    """Return a submission with all runs of the dimension, also those that `gc` removed."""
    removed = {
        run_id: task.actor
        for run_id, task in sorted(removed_tasks(opened.ledger.entries()).items())
        if dimension.has_work_of(task.dimension, "", time_of(run_id))
    }
    tasks = [request.task for request in map(read_request, work) if request.task]
    return Submission(
        dimension.name,
        commit,
        tree,
        runs=[*removed, *(one.run_id for one in work)],
        actors=[*dict.fromkeys([*removed.values(), *(task.actor for task in tasks)])],
    )


async def submit_dimension(
    dimension: Dimension,
    opened: OpenProject,
    by: Sender,
    *,
    suite: str,
    profile: str = "",
    base: str = "",
    goal: str = "",
    sandbox: str = "auto",
) -> RunResult:
    """Evaluate the current files of a dimension with a suite, and leave the decision to a person.

    The last answers of its actors count as seen. The base is the commit at which the dimension left
    the branch that it was made from, or `base`.
    """
    opened.refuse_in_run("'attractor dimension submit'")
    project, machine = opened.project, opened.project.machine
    work = runs_in(dimension, opened)
    for one in work:
        if is_held(RunDirectory(project.runs_dir / one.run_id).lock):
            raise Refused(
                f"run {one.run_id} works in the dimension {dimension.name}",
                hint="wait until it ends",
            )
    repository = await open_repository(project.root, search_path=machine.search_path)
    last_run = work[-1].run_id if work else ""
    what = f"the dimension {dimension.name}"
    asked = RunRequest(
        file=project.root / FILE,
        goal=goal or (work[-1].goal if work else f"the files of {dimension.name}"),
        sandbox=sandbox,
        suite=suite,
        profile=profile,
    )
    submission = _submission_of(dimension, base, "", work, opened)
    files = _files_of(dimension, opened, repository, last_run)
    result = await start_submission(asked, submission, files, opened, what=what)
    for folder in actors_of_project(opened):
        last = folder.read().last
        # An answer that came after the files were taken is not judged.
        if last and last.run_id in submission.runs:
            mark_seen(folder, last.message.id, by, opened)
    return result


@asynccontextmanager
async def _files_of(
    dimension: Dimension, opened: OpenProject, repository: Repository, last_run: str
) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
    """Yield a store with the current files of a dimension, their tree, and the base commit.

    The files are those of a worktree, or of the last run in an isolated dimension. Hidden scenarios
    are not part of the tree. Meanwhile no run can work in the worktree.
    """
    machine = opened.project.machine
    if dimension.kind == "isolated":
        if not last_run:
            raise Refused(f"no run has worked in the dimension {dimension.name} yet")
        store, record = open_store(
            machine.state_dir,
            last_run,
            search_path=machine.search_path,
            borrow_from=repository.objects,
        )
        directory = RunDirectory(opened.project.runs_dir / last_run)
        progress = open_journal(directory.events, directory.checkpoint).state.progress
        yield store, progress.tree if progress else "", record.base.commit
        return
    place = place_of(opened, repository, dimension)
    if not isinstance(place, LinkedWorktree):
        raise Refused(
            f"the dimension {dimension.name} is of the kind {dimension.kind}, and only the files "
            "of a worktree or an isolated dimension can be promoted",
            hint="apply its changes to a branch: attractor dimension diff NAME | git apply",
        )
    with lock_writer(folder_of(dimension), machine.state_dir, run_id="of a submission"):
        async with place.candidate() as (store, tree, fork):
            yield store, tree, fork

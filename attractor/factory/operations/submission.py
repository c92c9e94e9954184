"""Starts runs that only evaluate files: the files of a dimension, of a change, or of a mission."""

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import Refused, UsageError
from attractor.base.files import remove_tree
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import plan_start
from attractor.pipeline.execute import execute
from attractor.pipeline.fork.linked_run import submission_store
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.records.request import RunRequest, Submission
from attractor.workspaces.git.object_store import ObjectStore, share_objects
from attractor.workspaces.git.objects import write_tree
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.result_tree import candidate_files, excluded_in
from attractor.workspaces.run_store import SUBMISSIONS

FILE = "submit.dot"
"""The file of the pipeline, which exists in no project."""

PIPELINE = """digraph submit {
  start [shape=Mdiamond]; done [shape=Msquare]
  start -> done
}
"""

_LEFT_S = 86400.0


Files = AbstractAsyncContextManager[tuple[ObjectStore, str, str]]
"""A store, the tree of the files in it, and the commit of their base."""


async def start_submission(
    request: RunRequest, submission: Submission, files: Files, opened: OpenProject, *, what: str
) -> RunResult:
    """Start a run that only evaluates files.

    A base that the submission names counts in place of theirs. `what` are words for the files.
    """
    run_id = opened.project.machine.new_run_id()
    try:
        plan = await plan_submission(request, submission, files, opened, run_id, what=what)
        return await execute(plan)
    finally:
        remove_files(run_id, opened)


async def plan_submission(
    request: RunRequest,
    submission: Submission,
    files: Files,
    opened: OpenProject,
    run_id: str,
    *,
    what: str,
) -> RunPlan:
    """Plan a run that only evaluates files, which are kept for it until `remove_files`."""
    project, machine = opened.project, opened.project.machine
    if not (request.suite or project.suite):
        hint = "name one: --suite NAME; write the first: attractor suite init scenarios/NAME"
        raise UsageError("no suite judges the files", hint=hint)
    repository = await open_repository(project.root, search_path=machine.search_path)
    store = submission_store(project, run_id, repository.object_format)
    _remove_leftovers(store.folder.parent)
    async with files as (theirs, tree, fork):
        commit = await repository.commit(submission.base) if submission.base else fork
        whole = await theirs.files_of(await repository.tree(commit))
        before = candidate_files(whole, excluded_in(repository.prefix))
        is_unchanged = write_tree(theirs.objects, before).hex() == tree
        if is_unchanged and not submission.protected:
            raise Refused(
                f"{what} has no changes since {commit[:12]}", hint="there is nothing to judge"
            )
        await store.create(borrow_from=repository.objects)
        await share_objects(theirs, store, tree=tree)
    submission = replace(submission, base=commit, tree=tree)
    ready = replace(opened, project=project.with_texts({str(request.file): PIPELINE}))
    return await plan_start(replace(request, submission=submission), ready, run_id=run_id)


def remove_files(run_id: str, opened: OpenProject) -> None:
    """Remove the files that a run evaluates, once its workspace has them, or it will not begin."""
    folder = opened.project.machine.state_dir / SUBMISSIONS / f"{run_id}.git"
    if folder.exists():
        remove_tree(folder)


def _remove_leftovers(place: Path) -> None:
    """Remove the files of submissions whose process died; another one may begin at this moment."""
    for folder in place.glob("*.git"):
        if time.time() - folder.stat().st_mtime > _LEFT_S:
            remove_tree(folder)

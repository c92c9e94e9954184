"""The commit of a task in the branch of its dimension."""

import asyncio
from datetime import datetime

from attractor.base.errors import AttractorError, words_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.pipeline.workspace.diffstat import own_changes
from attractor.records.request import read_request
from attractor.workspaces.commits import TaskChanges, commit_changes, subject_from
from attractor.workspaces.worktrees import LinkedWorktree
from attractor.worlds.dimension_folders import place_of, try_repository
from attractor.worlds.messages import Message

COMMIT_NOTE = (
    "(After this task, Attractor commits the files that you changed. The first line of your answer "
    "is the subject of the commit.)"
)


def commit_task(
    message: Message, result: RunResult, words: str, opened: OpenProject
) -> tuple[str, str]:
    """Commit the changes of an ended run, if it worked in a worktree that Attractor made.

    Return the commit, otherwise "" and the reason. A repeated call finds the commit.
    """
    try:
        manifest = read_manifest(RunDirectory(result.directory))
        request, began = read_request(manifest), manifest.started
        dimension = worktree_of(request.workspace, request.dimension, opened, began=began)
        return (
            asyncio.run(_commit(dimension, message, result, words, opened))
            if dimension
            else ("", "")
        )
    except (AttractorError, OSError) as fault:
        # The answer is never lost for its commit.
        return "", opened.project.redactor.text(words_of(fault))


def worktree_of(
    workspace: str, name: str, opened: OpenProject, *, began: datetime | None = None
) -> Dimension | None:
    """Return the dimension of a task that gets a commit: a worktree that Attractor made.

    A run that `began` before the dimension was made worked in another one.
    """
    for one in DimensionRecords.of(opened).all() if name else ():
        is_kind = workspace == one.kind == "worktree" and one.made_by_attractor
        if one.name == name and is_kind and not (began and began < one.created):
            return one
    return None


async def _commit(
    dimension: Dimension, message: Message, result: RunResult, words: str, opened: OpenProject
) -> tuple[str, str]:
    worktree = place_of(opened, await try_repository(opened), dimension)
    store, changes = await own_changes(opened.project, result.run_id, result.tree)
    if not isinstance(worktree, LinkedWorktree) or not changes:
        return "", ""
    text = opened.project.redactor.text
    task = TaskChanges(
        store,
        changes,
        result.run_id,
        opened.now(),
        subject=subject_from([text(words), text(message.text)]),
        trailers={
            "Attractor-Task": message.id,
            "Attractor-Asked-By": f"{message.sender.kind} {message.sender.name}",
        },
    )
    return await commit_changes(worktree, task)

"""Gives the commands of a run in a linked worktree a repository of their own.

The `.git` of a linked worktree names a repository elsewhere, which contains the history of all
branches, with scenarios. In a sandbox, commands use a repository with the current files instead: in
bubblewrap at the `.git` of the worktree, with Landlock by `GIT_DIR`. It is removed with the process
of the run.
"""

from contextlib import ExitStack
from pathlib import Path

from attractor.engine.seams import Workspace
from attractor.environments.sandbox.bubblewrap import GIT_DIR, GIT_LINK
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import kind_here, work_folder
from attractor.records.request import RunRequest
from attractor.workspaces.folders import borrowed_folder, workspaces_folder
from attractor.workspaces.git.object_store import Author, create_agent_repository
from attractor.workspaces.result_tree import EXCLUDED, candidate_files
from attractor.workspaces.tracked_folder import TrackedFolder


def borrow_repository(
    request: RunRequest, project: Project, sandbox: EnvironmentChoice, stack: ExitStack
) -> Path | None:
    """Return a new folder for the repository of a run in a linked worktree, otherwise None."""
    kind = kind_here(request)
    is_linked = (work_folder(request, project) / ".git").is_file()
    if kind.is_apart or kind.create is None or not is_linked or sandbox.settings is None:
        return None
    return stack.enter_context(borrowed_folder(workspaces_folder(project.machine.state_dir)))


async def fill_repository(folder: Path | None, workspace: Workspace, project: Project) -> None:
    """Create the repository in a borrowed folder, with the files of a workspace."""
    if folder is None or not isinstance(workspace, TrackedFolder):
        return
    files = candidate_files(await workspace.store.files_of(workspace.base.candidate), EXCLUDED)
    author = Author.attractor(project.machine.clock.now())
    await create_agent_repository(folder, workspace.store, files, author)
    (folder / GIT_LINK).write_text(f"gitdir: {GIT_DIR}\n")

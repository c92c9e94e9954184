"""The plan commit: the specification and the stage of a plan, on top of a branch (ruling G12).

It lies in no branch until it is promoted together with its code; a ref keeps it.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from attractor.base.files import make_private_folder
from attractor.growth.lineage import Stage, write_stage
from attractor.pipeline.host.run_host import RunHost
from attractor.workspaces.folders import borrowed_folder, prepare_workspaces_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Git, Repository, find_git_dir
from attractor.workspaces.setup.cache import carry

REFS = "refs/attractor/stage/"


@asynccontextmanager
async def work_tree(host: RunHost, repository: Repository, commit: str) -> AsyncGenerator[Path]:
    """Check a commit out into a folder of its own; yield the project in it."""
    make_private_folder(host.state_dir)
    place = prepare_workspaces_folder(host.state_dir, shared=host.workspaces_dir, tell=host.tell)
    # Not below the state folder: carried paths there are hidden from agents.
    with borrowed_folder(place.resolve()) as outer:
        top = outer / "tree"
        # Of a process that was killed.
        await repository.git.run("worktree", "prune")
        await repository.git.run("worktree", "add", "--quiet", "--detach", str(top), commit)
        try:
            folder = top / repository.prefix
            wanted = host.preparation
            paths = [*wanted.copied_paths, *wanted.shown_paths]
            await in_thread(partial(carry, host.project, paths, folder))
            yield folder
        finally:
            await repository.git.run("worktree", "remove", "--force", str(top))


async def commit_stage(
    host: RunHost,
    repository: Repository,
    stage: Stage,
    change: Callable[[Path], None],
    *,
    tip: str,
    ref: str,
) -> str:
    """Commit a changed tree and the file of its stage on top of a commit; return the commit."""
    async with work_tree(host, repository, tip) as folder:
        await in_thread(partial(change, folder))
        await in_thread(partial(write_stage, stage, folder))
        git_dir = await find_git_dir(folder, search_path=host.search_path)
        assert git_dir is not None
        git = Git(git_dir, host.search_path, work_tree=folder)
        # A carried path is ignored by git, and is not added.
        await git.run("add", "--all", "--", ".")
        await git.run("add", "--all", "--force", "--", "spec")
        tree = await git.run("write-tree")
    message = f"Plan {stage.label}\n\nAttractor-Stage: {stage.stage}\n"
    commit = await repository.git.run("commit-tree", tree, "-p", tip, stdin=message.encode())
    await repository.git.run("update-ref", f"{REFS}{ref}", commit)
    return commit

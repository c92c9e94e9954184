"""Fork a workspace, work in the forks concurrently and discard some, until killed."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import Project
from tests.workspaces.snapshot_child import change


async def work(workspace: TrackedFolder, name: str, number: int) -> None:
    """Work in a fork, and print its tree."""
    fork = await workspace.fork(name, workspace.base.candidate)
    change(fork.folder, number)
    tree = await fork.snapshot(name)
    await fork.close()
    os.write(1, f"{name} {tree}\n".encode())


async def main(below: str) -> None:
    """Work until the process is killed."""
    project = Project(Path(below) / "project", Path(below) / "state")
    workspace = await project.workspace_again()
    for number in count(1):
        names = [f"{number % 3}/{branch}" for branch in range(3)]
        await asyncio.gather(*(work(workspace, name, number) for name in names))
        if number % 2:
            os.write(1, f"{names[0]} -\n".encode())
            await workspace.discard(names[0])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

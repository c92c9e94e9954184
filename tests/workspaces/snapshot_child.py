"""Changes a workspace and takes snapshots, and prints the completed ones, until it is killed."""

import asyncio
import os
import random
import sys
from itertools import count
from pathlib import Path

from tests.workspaces.projects import Project


def change(folder: Path, number: int) -> None:
    """Write some files, large and small, and remove one."""
    for file in range(number % 40):
        path = folder / f"made/{number % 3}/{file}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.randbytes(random.choice((10, 10_000, 2_000_000 // 10))))
    (folder / f"made/{number % 3}/1").unlink(missing_ok=True)
    (folder / "number").write_text(str(number))


async def main(below: str) -> None:
    """Work until the process is killed."""
    project = Project(Path(below) / "project", Path(below) / "state")
    workspace = await project.workspace_again()
    for number in count(1):
        change(workspace.folder, number)
        tree = await workspace.snapshot(str(number))
        os.write(1, f"{number} {tree}\n".encode())
        if number % 5 == 0:
            await workspace.restore(workspace.base.candidate)
            await workspace.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

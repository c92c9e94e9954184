"""Real git repositories of a person, and workspaces made from them."""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.workspaces.create.isolated import create_isolated, reopen_workspace
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.snapshot import Snapshot
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.repositories import copy_project

SEARCH_PATH = os.environ["PATH"]
RUN = "01JZ0000000000000000000000"
WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
AUTHOR = Author("Attractor", "attractor@localhost", WHEN)


def git(
    folder: Path, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> str:
    """Run git without the configuration of this machine."""
    own = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Somebody",
        "GIT_AUTHOR_EMAIL": "somebody@example.org",
        "GIT_COMMITTER_NAME": "Somebody",
        "GIT_COMMITTER_EMAIL": "somebody@example.org",
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=stdin,
        env={"PATH": SEARCH_PATH, **own, **(variables or {})},
        capture_output=True,
    )
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, links by their targets, without its own `.git`."""
    return {
        os.fsdecode(path.relative_to(folder)): _content(path)
        for path in _files(folder)
        if path.relative_to(folder).parts[0] != ".git"
    }


def age(path: Path) -> tuple[int, int, int]:
    """Return properties of a file that change on each write, and not on a read."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return b"-> " + os.fsencode(path.readlink())
    return path.read_bytes() if path.is_file() else b"no file"


def everything(folder: Path) -> str:
    """Return a hash over every file below a folder, also `.git`, with permissions and times."""
    received = hashlib.sha256()
    for path in sorted(_files(folder)):
        found = path.lstat()
        received.update(
            f"{path} {found.st_mode} {found.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
        received.update(_content(path))
    return received.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        yield from (Path(at) / name for name in [*names, *links])


@dataclass(frozen=True)
class Project:
    """A person's repository with some commits, holdouts and records, beside a state folder."""

    folder: Path
    state: Path
    snapshots: list[tuple[str, Snapshot]] = field(default_factory=list[tuple[str, Snapshot]])

    @classmethod
    def made(cls, below: Path, *, object_format: str = "sha1") -> "Project":
        """Make a project with two commits."""
        project = cls(below / "project", below / "state")
        copy_project(project.folder, _begin, object_format)
        return project

    def commit(self, subject: str) -> str:
        """Commit everything, also ignored files, and return the commit's id."""
        git(self.folder, "add", "-A", "-f")
        git(self.folder, "-c", "maintenance.auto=false", "commit", "-q", "-m", subject)
        return self.head()

    def head(self, name: str = "HEAD") -> str:
        """Return the id of a commit."""
        return git(self.folder, "rev-parse", name)

    async def repository(self) -> Repository:
        """Open the repository."""
        return await open_repository(self.folder, search_path=SEARCH_PATH)

    async def workspace(self, run_id: str = RUN) -> TrackedFolder:
        """Make an isolated workspace of the last commit."""
        return await create_isolated(
            await self.repository(),
            state=self.state,
            run_id=run_id,
            commit="HEAD",
            author=AUTHOR,
            environment=environment,
            on_snapshot=self.hear,
        )

    async def workspace_again(self, run_id: str = RUN) -> TrackedFolder:
        """Open the workspace of a run again."""
        return await reopen_workspace(
            state=self.state,
            run_id=run_id,
            search_path=SEARCH_PATH,
            environment=environment,
            on_snapshot=self.hear,
        )

    def hear(self, subject: str, snapshot: Snapshot) -> None:
        """Record a snapshot."""
        self.snapshots.append((subject, snapshot))


def _begin(folder: Path, object_format: str) -> None:
    project = Project(folder, folder.parent / "state")
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main", f"--object-format={object_format}")
    write(folder, {"old.txt": "the past knows a secret\n"})
    project.commit("first")
    (folder / "old.txt").unlink()
    write(
        folder,
        {
            "todo.py": "print('todo')\n",
            "docs/read me.txt": "read me\n",
            ".gitignore": "*.log\nbuild/\n",
            "build/kept.txt": "in git, though ignored\n",
            "scenarios/todo/holdout/one.scenario.toml": "secret = 'holdout'\n",
            "runs/README.md": "records\n",
            "src/scenarios/no_holdout.txt": "only called so\n",
        },
    )
    (folder / "link").symlink_to("todo.py")
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    project.commit("second")


def environment(folder: Path) -> MemoryExecutionEnvironment:
    """Make an environment that shows its folder."""
    return MemoryExecutionEnvironment({"made for": str(folder)})

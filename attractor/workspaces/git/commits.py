"""Writes commits without index and work tree, and copies them to another repository."""

import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import write_whole
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.git import Git
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import LooseObjects
from attractor.workspaces.git.trees import FlatTree, write_tree


@dataclass(frozen=True)
class Author:
    """The author of a commit, with its time."""

    name: str
    email: str
    at: datetime

    def written(self) -> str:
        """Return the author line of a commit."""
        if self.at.tzinfo is None:
            raise UsageError(f"missing time zone in the time of a commit: {self.at.isoformat()}")
        name, email = (_plain(text) for text in (self.name, self.email))
        return f"{name} <{email}> {int(self.at.timestamp())} {self.at:%z}"


def write_commit(
    objects: LooseObjects, *, tree: str, parents: tuple[str, ...], author: Author, message: str
) -> str:
    """Store a commit and return its id."""
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {author.written()}",
        f"committer {author.written()}",
        "",
        message.replace("\0", "").strip("\n"),
        "",
    ]
    return objects.write("commit", "\n".join(lines).encode("utf-8", "backslashreplace")).hex()


def as_trailers(values: Mapping[str, str]) -> str:
    """Return the trailers of a commit message, one line for each value."""
    return "\n".join(f"{name}: {_one_line(value)}" for name, value in values.items())


async def bring_commit(commit: str, *, out_of: Git, into: Git, without: str = "") -> None:
    """Copy a commit and its objects as one pack, without the objects of an older commit."""
    wanted = f"{commit}\n^{without}\n" if without else f"{commit}\n"
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=out_of.git_dir) as folder:
        pack = Path(folder) / "pack"
        await out_of.run_to(
            pack, "pack-objects", "--revs", "--stdout", "--quiet", stdin=wanted.encode()
        )
        # Not strict: storing a file runs nothing, and the gate checks its content. A file that a
        # strict git refuses would stop the run forever.
        await into.run_from(pack, "index-pack", "--stdin")


def _one_line(text: str) -> str:
    """Join lines, so that a value stays one trailer."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _plain(text: str) -> str:
    """Remove characters that would break the line."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in "<>").strip()


_BRANCH = "main"
_AGENT = "[user]\n\tname = agent\n\temail = agent@localhost\n[gc]\n\tauto = 0\n"


async def create_agent_repository(
    folder: Path, store: ObjectStore, files: FlatTree, author: Author
) -> None:
    """Create a `.git` for agents in a folder, with one commit of its files.

    It is never opened again: agents can change it.
    """
    tree = (await in_thread(partial(write_tree, store.objects, files))).hex()
    commit = write_commit(
        store.objects, tree=tree, parents=(), author=author, message="The project"
    )
    git_dir = folder / ".git"
    git_dir.mkdir()
    git = Git(git_dir, store.git.search_path, work_tree=folder)
    await git.run(
        "init", "--quiet", "--template=", f"--initial-branch={_BRANCH}",
        f"--object-format={store.object_format}",
    )  # fmt: skip
    await bring_commit(commit, out_of=store.git, into=git)
    with (git_dir / "config").open("a") as config:
        config.write(_AGENT)
    write_whole(git_dir / "refs" / "heads" / _BRANCH, f"{commit}\n")
    await git.run("read-tree", commit)

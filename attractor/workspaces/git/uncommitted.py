"""Finds and commits uncommitted changes of a person's work tree, without running its filters."""

import shutil
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.commits import Author, write_commit
from attractor.workspaces.git.git import run_git_as_owner
from attractor.workspaces.git.large_files import find_unchanged_pointers
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.trees import write_tree

_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"
_PATIENCE = timedelta(minutes=10)
_SETTINGS = {
    # These settings store parts of the index in other files.
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "index.sparse": "false",
    "core.fsync": "loose-object",
    "core.fsyncMethod": "batch",
}
_TAKE_UP = ("-z", "--add", "--remove", "--replace", "--stdin")


@dataclass(frozen=True)
class WorkTree:
    """A person's work tree, with the variables for git."""

    folder: Path
    environ: Mapping[str, str]


async def has_uncommitted(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Return whether a work tree has uncommitted changes, except for ignored files.

    A touched file with a filter counts as changed, since the filter is not run.
    """
    # Submodules have configurations of their own, so they are not read.
    result = await run_git_as_owner(
        "status", "--porcelain", "--ignore-submodules=dirty",
        folder=folder,
        environ=environ,
        without=await _filters(WorkTree(folder, environ)),
    )  # fmt: skip
    return result.exit_code == 0 and bool(result.stdout)


async def commit_uncommitted(
    store: ObjectStore, work_tree: WorkTree, commit: str, *, tree: str, author: Author
) -> str:
    """Store the uncommitted changes of a work tree as a commit on top of `commit`.

    The work tree and its index are not changed. Without changes, `commit` is returned.
    """
    with store.empty_folder() as folder:
        found = await _Copy(store, work_tree, folder).tree()
    unchanged = await find_unchanged_pointers(store, await store.changes(tree, found))
    if unchanged:
        files = {**await store.files_of(found), **unchanged}
        found = (await in_thread(partial(write_tree, store.objects, files))).hex()
    if found == tree:
        return commit
    message = "Uncommitted changes at the start of the run"
    made = write_commit(
        store.objects, tree=found, parents=(commit,), author=author, message=message
    )
    await in_thread(store.objects.sync)
    return made


@dataclass(frozen=True)
class _Copy:
    """A copy of the index, which gets all changes of the work tree."""

    store: ObjectStore
    work_tree: WorkTree
    folder: Path

    async def tree(self) -> str:
        """Return the tree of the work tree."""
        filters = await _filters(self.work_tree)
        top = (await self._ask("rev-parse", "--show-toplevel")).removesuffix("\n")
        theirs = await self._ask("rev-parse", "--path-format=absolute", "--git-path", "index")
        await in_thread(partial(_copy, Path(theirs.removesuffix("\n")), self._index))
        places = {"GIT_INDEX_FILE": self._index, "GIT_OBJECT_DIRECTORY": self.store.objects.folder}
        ask = partial(self._ask, folder=Path(top), places=places, without=filters)
        if not self._index.exists():
            await ask("read-tree", "HEAD")
        # Not `git add`: it runs git in every submodule, with an unchecked configuration.
        # Modified and removed files come first: a new file may replace a removed folder.
        for kind in (["--modified"], ["--others", "--exclude-standard"]):
            paths = self.folder / "paths"
            await ask("ls-files", "-z", *kind, output=paths)
            changed = _without_repositories(await in_thread(paths.read_bytes))
            await ask("update-index", *_TAKE_UP, stdin=changed)
        return (await ask("write-tree")).strip()

    @property
    def _index(self) -> Path:
        return self.folder / "index"

    async def _ask(
        self,
        *arguments: str,
        folder: Path | None = None,
        places: Mapping[str, Path] = MappingProxyType({}),
        without: Collection[str] = (),
        stdin: bytes = b"",
        output: Path | None = None,
    ) -> str:
        result = await run_git_as_owner(
            *arguments,
            folder=folder or self.work_tree.folder,
            environ=self.work_tree.environ,
            without=without,
            settings=_SETTINGS,
            places=places,
            stdin=stdin,
            output=output,
            timeout=_PATIENCE,
        )
        if result.exit_code != 0:
            reason = result.stderr.strip() or f"exit status {result.exit_code}"
            raise GitFailed(
                f"git {arguments[0]} in {self.work_tree.folder} failed: {reason}",
                hint="commit the changes for the run, and start it without --include-dirty",
            )
        return result.stdout


def _without_repositories(paths: bytes) -> bytes:
    """Remove repositories that are not submodules: git lists them as folders."""
    return b"".join(b"%s\0" % path for path in paths.split(b"\0")[:-1] if path[-1:] != b"/")


def _copy(index: Path, copy: Path) -> None:
    """Copy an index with its time, which git compares with file times."""
    try:
        shutil.copy2(index, copy)
    except FileNotFoundError:
        return
    except OSError as cause:
        raise file_error("copy", index, cause) from cause


async def _filters(work_tree: WorkTree) -> Collection[str]:
    """Return the settings that name filter programs."""
    result = await run_git_as_owner(
        "config", "-z", "--name-only", "--get-regexp", _FILTERS,
        folder=work_tree.folder,
        environ=work_tree.environ,
    )  # fmt: skip
    return set(result.stdout.split("\0")) - {""}

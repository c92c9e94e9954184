"""Tells what a person's work tree holds that is not committed, and runs nothing of theirs."""

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
from attractor.workspaces.git.git import ask_as_owner
from attractor.workspaces.git.large_files import find_unchanged
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import write_tree

_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"
_PATIENCE = timedelta(minutes=10)
_SETTINGS = {
    # Files beside the index that are not in a copy of it, or that a copy would be written to.
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "index.sparse": "false",
    "core.fsync": "loose-object",
    "core.fsyncMethod": "batch",
}
_TAKE_UP = ("-z", "--add", "--remove", "--replace", "--stdin")


@dataclass(frozen=True)
class WorkTree:
    """Where a person works, and the variables that their git goes by."""

    folder: Path
    environ: Mapping[str, str]


async def has_uncommitted(folder: Path, *, environ: Mapping[str, str]) -> bool:
    """Tell whether something in a work tree is not committed; what its owner ignores is not.

    A file that goes through a filter and was touched since counts as changed: without running the
    filter nobody can tell.
    """
    # In submodules other configurations hold, so nobody looks into them.
    told = await ask_as_owner(
        "status", "--porcelain", "--ignore-submodules=dirty",
        folder=folder,
        environ=environ,
        without=await _filters(WorkTree(folder, environ)),
    )  # fmt: skip
    return told.exit_code == 0 and bool(told.stdout)


async def commit_uncommitted(
    store: Store, work_tree: WorkTree, commit: str, *, tree: str, author: Author
) -> str:
    """Keep in a store, as a commit upon another, what a work tree holds besides that one's tree.

    Neither the work tree nor its index is touched. Where there is nothing, the commit is the old.
    """
    with store.empty_folder() as folder:
        found = await _Copy(store, work_tree, folder).tree()
    unchanged = await find_unchanged(store, await store.changes(tree, found))
    if unchanged:
        files = {**await store.files_of(found), **unchanged}
        found = (await in_thread(partial(write_tree, store.objects, files))).hex()
    if found == tree:
        return commit
    message = "What was not committed when the run began"
    made = write_commit(
        store.objects, tree=found, parents=(commit,), author=author, message=message
    )
    await in_thread(store.objects.sync)
    return made


@dataclass(frozen=True)
class _Copy:
    """An index of our own, which comes to hold all that a work tree holds."""

    store: Store
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
        # Not `git add`: it runs git in every submodule, by a configuration that nobody looked at.
        # What is gone comes first: something else may stand in its place.
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
        told = await ask_as_owner(
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
        if told.exit_code != 0:
            why = told.stderr.strip() or f"it ended with {told.exit_code}"
            raise GitFailed(
                f"git {arguments[0]} in {self.work_tree.folder} failed: {why}",
                hint="commit what belongs to the run, and start it without --include-dirty",
            )
        return told.stdout


def _without_repositories(paths: bytes) -> bytes:
    """Leave out repositories that are nobody's submodules: git lists them as folders."""
    return b"".join(b"%s\0" % path for path in paths.split(b"\0")[:-1] if path[-1:] != b"/")


def _copy(index: Path, copy: Path) -> None:
    """Copy an index with its time, by which git knows what it has to read again."""
    try:
        shutil.copy2(index, copy)
    except FileNotFoundError:
        return
    except OSError as cause:
        raise file_error("copy", index, cause) from cause


async def _filters(work_tree: WorkTree) -> Collection[str]:
    """Return the settings that name filters to run."""
    told = await ask_as_owner(
        "config", "-z", "--name-only", "--get-regexp", _FILTERS,
        folder=work_tree.folder,
        environ=work_tree.environ,
    )  # fmt: skip
    return set(told.stdout.split("\0")) - {""}

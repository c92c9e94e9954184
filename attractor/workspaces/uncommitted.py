"""Commits uncommitted changes of a person's work tree, including contents that Git LFS stores."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.base.patterns import late_pattern
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Author, ObjectStore, write_commit
from attractor.workspaces.git.objects import (
    FILE,
    PROGRAM,
    FlatTree,
    LooseObjects,
    TreeChange,
    TreeEntry,
    write_tree,
)
from attractor.workspaces.git.repository import run_git_as_owner
from attractor.workspaces.result_tree import EXCLUDED
from attractor.workspaces.snapshot import LARGEST_FILE

_LARGEST_POINTER = 1024
_POINTER = late_pattern(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_LINE = late_pattern(rb'(?P<pattern>"(?:[^"\\]|\\.)*"|[^\s"]\S*)\s+(?P<attributes>.*)')
_SETS = late_pattern(rb"(?:^|\s)([-!]?)filter(?:=(\S*))?(?=\s|$)")


@dataclass(frozen=True)
class LfsPointer:
    """The pointer of a large file in a tree."""

    oid: str
    size: int

    def within(self, folder: Path) -> Path:
        """Return the path of the content in a folder of git LFS objects."""
        return folder / self.oid[:2] / self.oid[2:4] / self.oid


@dataclass(frozen=True)
class LfsContents:
    """The contents of large files by path, and the paths whose content is missing."""

    found: FlatTree
    missing: Sequence[bytes]


def read_pointer(content: bytes) -> LfsPointer | None:
    """Read a pointer; return None if the file is not a pointer."""
    if len(content) > _LARGEST_POINTER:
        return None
    match_ = _POINTER.match(content)
    return LfsPointer(match_[1].decode(), int(match_[2])) if match_ else None


async def find_large_files(store: ObjectStore, files: FlatTree, folder: Path) -> LfsContents:
    """Store the contents of the pointers among files; `folder` contains the objects of git LFS."""
    paths = await _paths_of_lfs(store, files)
    pointers = await store.with_blobs(
        [files[path].id for path in paths], lambda texts: list(map(read_pointer, texts))
    )
    found: dict[bytes, TreeEntry] = {}
    missing: list[bytes] = []
    for path, pointer in zip(paths, pointers, strict=True):
        if pointer is None:
            continue
        content = await in_thread(partial(_store, store.objects, pointer, folder))
        if content is None:
            missing.append(path)
        else:
            found[path] = TreeEntry(files[path].mode, content)
    return LfsContents(found, missing)


async def find_unchanged_pointers(store: ObjectStore, changes: Sequence[TreeChange]) -> FlatTree:
    """Return pointers whose file only seems changed, because it contains the large content."""
    pairs = [
        (change.path, change.before, change.after)
        for change in changes
        if change.before
        and change.after
        and {change.before.mode, change.after.mode} <= {FILE, PROGRAM}
    ]
    pointers = await store.with_blobs(
        [before.id for _, before, _ in pairs], lambda texts: list(map(read_pointer, texts))
    )
    both = [
        (*pair, pointer)
        for pair, pointer in zip(pairs, pointers, strict=True)
        if pointer is not None
    ]
    shown = await store.with_blobs(
        [after.id for _, _, after, _ in both], lambda texts: list(map(_pointer_to, texts))
    )
    return {
        path: TreeEntry(after.mode, before.id)
        for (path, before, after, pointer), actual in zip(both, shown, strict=True)
        if pointer == actual
    }


def _pointer_to(content: bytes) -> LfsPointer:
    return LfsPointer(hashlib.sha256(content).hexdigest(), len(content))


async def _paths_of_lfs(store: ObjectStore, files: FlatTree) -> Sequence[bytes]:
    """Return the paths that use git LFS according to the attribute files of a tree."""
    attribute_files = {
        path.removesuffix(b".gitattributes"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitattributes" and entry.mode in (FILE, PROGRAM)
    }
    texts = await store.with_blobs(list(attribute_files.values()), list)
    patterns = {
        folder: b"\n".join(_patterns(text))
        for folder, text in zip(attribute_files, texts, strict=True)
    }
    if not any(patterns.values()):
        return []
    rules = IgnoreRules(patterns)
    return [
        path
        for path, entry in files.items()
        if entry.mode in (FILE, PROGRAM) and rules.ignores(path, is_folder=False)
    ]


def _patterns(attributes: bytes) -> Iterator[bytes]:
    """Yield the patterns that have a filter in an attributes file, as lines of an ignore file."""
    for line in attributes.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        match_ = _LINE.match(line.strip())
        if match_ is None or match_["pattern"].startswith((b"#", b"!", b"[attr]")):
            continue
        pattern = match_["pattern"]
        if pattern.startswith(b'"'):
            pattern = pattern[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")
        for sign, value in _SETS.findall(match_["attributes"]):
            unset = b"" if (sign, value) == (b"", b"lfs") else b"!"
            yield unset + pattern


def _store(objects: LooseObjects, pointer: LfsPointer, folder: Path) -> bytes | None:
    """Store the content of a pointer; return None if the content is missing or incomplete."""
    path = pointer.within(folder)
    if pointer.size > LARGEST_FILE:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    try:
        return objects.write_large(file, pointer.size)
    finally:
        os.close(file)


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
    """Return whether a work tree has uncommitted changes, except for ignored and hidden files.

    A touched file with a filter counts as changed, since the filter is not run.
    """
    # Submodules have configurations of their own, so they are not read.
    result = await run_git_as_owner(
        "status", "--porcelain", "--ignore-submodules=dirty",
        "--", ":/", *(f":(exclude){one.strip('/')}" for one in EXCLUDED),
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


async def add_to_tree(
    store: ObjectStore,
    work_tree: WorkTree,
    git_dir: Path,
    commit: str,
    files: Path,
    paths: Sequence[bytes],
) -> tuple[str, Sequence[bytes]]:
    """Return the tree of a commit with some paths as they are in the folder `files`.

    Line ends become those that Git would store. Paths to which the commit gives a filter stay as
    they are, and are returned too: the filter may keep a secret, or a large file, out of the tree.
    """
    with store.empty_folder() as folder:
        copy = _Copy(store, work_tree, folder)
        places = {
            **{"GIT_DIR": git_dir, "GIT_WORK_TREE": files, "GIT_INDEX_FILE": folder / "index"},
            "GIT_OBJECT_DIRECTORY": store.objects.folder,
        }
        without = await _filters(work_tree)
        ask = partial(copy.ask, folder=files, places=places, without=without)
        await ask("read-tree", commit)
        listed, output = b"".join(b"%s\0" % path for path in paths), folder / "attributes"
        await ask("check-attr", "-z", "--stdin", "--cached", "filter", stdin=listed, output=output)
        fields = (await in_thread(output.read_bytes)).split(b"\0")
        values = dict(zip(fields[::3], fields[2::3], strict=False))
        left = [path for path in paths if values[path] not in (b"unspecified", b"unset")]
        added = b"".join(b"%s\0" % path for path in paths if path not in left)
        await ask("update-index", *_TAKE_UP, stdin=added)
        return (await ask("write-tree")).strip(), left


@dataclass(frozen=True)
class _Copy:
    """A copy of the index, to which all changes of the work tree are added."""

    store: ObjectStore
    work_tree: WorkTree
    folder: Path

    async def tree(self) -> str:
        """Return the tree with all changes of the work tree."""
        filters = await _filters(self.work_tree)
        top = (await self.ask("rev-parse", "--show-toplevel")).removesuffix("\n")
        theirs = await self.ask("rev-parse", "--path-format=absolute", "--git-path", "index")
        await in_thread(partial(_copy, Path(theirs.removesuffix("\n")), self._index))
        places = {"GIT_INDEX_FILE": self._index, "GIT_OBJECT_DIRECTORY": self.store.objects.folder}
        ask = partial(self.ask, folder=Path(top), places=places, without=filters)
        if not self._index.exists():
            await ask("read-tree", "HEAD")
        # Not `git add`: it runs git in every submodule, with an unchecked configuration.
        # Modified and removed files come first: a new file may replace a removed folder.
        for kind in (["--modified"], ["--others", "--exclude-standard"]):
            paths = self.folder / "paths"
            await ask("ls-files", "-z", *kind, output=paths)
            listed = (await in_thread(paths.read_bytes)).split(b"\0")[:-1]
            # Git lists repositories that are not submodules as folders.
            changed = b"".join(b"%s\0" % path for path in listed if path[-1:] != b"/")
            await ask("update-index", *_TAKE_UP, stdin=changed)
        return (await ask("write-tree")).strip()

    @property
    def _index(self) -> Path:
        return self.folder / "index"

    async def ask(
        self,
        *arguments: str,
        folder: Path | None = None,
        places: Mapping[str, Path] = MappingProxyType({}),
        without: Collection[str] = (),
        stdin: bytes = b"",
        output: Path | None = None,
    ) -> str:
        """Run git as the owner of the work tree; it must succeed."""
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

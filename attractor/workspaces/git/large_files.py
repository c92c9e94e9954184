"""Finds the content of files that git LFS keeps apart: the tree has pointers to them only.

Finds the files of submodules in the project's own clones of them.

Gathers what a workspace needs besides its tree from the project's own clone.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_trouble
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.commits import bring_commit
from attractor.workspaces.git.git import Git
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.objects import (
    FILE,
    PROGRAM,
    SUBMODULE,
    Change,
    FlatTree,
    Objects,
    TreeEntry,
    text_of,
)
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.result_tree import candidate_files
from attractor.workspaces.snapshot import LARGEST_FILE

_LARGEST_POINTER = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_LINE = re.compile(rb'(?P<pattern>"(?:[^"\\]|\\.)*"|[^\s"]\S*)\s+(?P<attributes>.*)')
_SETS = re.compile(rb"(?:^|\s)([-!]?)filter(?:=(\S*))?(?=\s|$)")


@dataclass(frozen=True)
class Pointer:
    """What a tree has in the place of a large file."""

    oid: str
    size: int

    def within(self, folder: Path) -> Path:
        """Return where git LFS keeps the content, given the folder of its objects."""
        return folder / self.oid[:2] / self.oid[2:4] / self.oid


@dataclass(frozen=True)
class LargeFiles:
    """The contents of large files by their paths, and the paths of those that are not there."""

    found: FlatTree
    missing: Sequence[bytes]


def read_pointer(content: bytes) -> Pointer | None:
    """Read a pointer; None when a file is none."""
    if len(content) > _LARGEST_POINTER:
        return None
    told = _POINTER.match(content)
    return Pointer(told[1].decode(), int(told[2])) if told else None


async def find_large_files(store: Store, files: FlatTree, folder: Path) -> LargeFiles:
    """Keep the contents that the pointers among some files name; `folder` is where git LFS has
    its objects.
    """
    paths = await _paths_of_lfs(store, files)
    pointers = await store.with_blobs(
        [files[path].id for path in paths], lambda texts: list(map(read_pointer, texts))
    )
    found: dict[bytes, TreeEntry] = {}
    missing: list[bytes] = []
    for path, pointer in zip(paths, pointers, strict=True):
        if pointer is None:
            continue
        content = await in_thread(partial(_keep, store.objects, pointer, folder))
        if content is None:
            missing.append(path)
        else:
            found[path] = TreeEntry(files[path].mode, content)
    return LargeFiles(found, missing)


async def find_unchanged(store: Store, changes: Sequence[Change]) -> FlatTree:
    """Return the pointers of files that seem changed, as a work tree has their content itself."""
    pairs = [
        (one.path, one.before, one.after)
        for one in changes
        if one.before and one.after and {one.before.mode, one.after.mode} <= {FILE, PROGRAM}
    ]
    pointers = await store.with_blobs(
        [before.id for _, before, _ in pairs], lambda texts: list(map(read_pointer, texts))
    )
    both = [(*pair, told) for pair, told in zip(pairs, pointers, strict=True) if told is not None]
    shown = await store.with_blobs(
        [after.id for _, _, after, _ in both], lambda texts: list(map(_pointer_to, texts))
    )
    return {
        path: TreeEntry(after.mode, before.id)
        for (path, before, after, told), is_it in zip(both, shown, strict=True)
        if told == is_it
    }


def _pointer_to(content: bytes) -> Pointer:
    return Pointer(hashlib.sha256(content).hexdigest(), len(content))


async def _paths_of_lfs(store: Store, files: FlatTree) -> Sequence[bytes]:
    """Return the paths that the attributes of a tree give to git LFS."""
    told = {
        path.removesuffix(b".gitattributes"): entry.id
        for path, entry in files.items()
        if path.rpartition(b"/")[2] == b".gitattributes" and entry.mode in (FILE, PROGRAM)
    }
    texts = await store.with_blobs(list(told.values()), list)
    patterns = {
        folder: b"\n".join(_patterns(text)) for folder, text in zip(told, texts, strict=True)
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
    """Yield the patterns of an attributes file that say something of filters, as ignore lines."""
    for line in attributes.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        told = _LINE.match(line.strip())
        if told is None or told["pattern"].startswith((b"#", b"!", b"[attr]")):
            continue
        for sign, value in _SETS.findall(told["attributes"]):
            unset = b"" if (sign, value) == (b"", b"lfs") else b"!"
            yield unset + _unquoted(told["pattern"])


def _unquoted(pattern: bytes) -> bytes:
    if not pattern.startswith(b'"'):
        return pattern
    return pattern[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")


def _keep(objects: Objects, pointer: Pointer, folder: Path) -> bytes | None:
    """Keep what a pointer points to; None when it is not there whole."""
    path = pointer.within(folder)
    if pointer.size > LARGEST_FILE:
        return None
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    try:
        return objects.write_large(file, pointer.size)
    finally:
        os.close(file)


_DEEPEST = 20


@dataclass(frozen=True)
class Submodule:
    """A submodule whose clone has its commit: where it lies, its git directory, and its files."""

    path: bytes
    git_dir: Path
    files: FlatTree


@dataclass(frozen=True)
class Submodules:
    """Those that were found, also within others, and the paths of those that were not."""

    found: Sequence[Submodule]
    missing: Sequence[tuple[bytes, str]]


@dataclass(frozen=True)
class _Holder:
    """A repository with submodules: its tree, and where it keeps clones of them."""

    git: Git
    homes: Sequence[Path]
    tree: str
    links: Mapping[bytes, TreeEntry]
    prefix: bytes = b""
    depth: int = 0


async def find_submodules(
    store: Store, git: Git, homes: Sequence[Path], tree: str, links: FlatTree
) -> Submodules:
    """Bring the files of submodules into a store, given their entries in a tree.

    `homes` are the git directories that can have clones of them.
    """
    found: list[Submodule] = []
    missing: list[tuple[bytes, str]] = []
    waiting = [_Holder(git, homes, tree, links)]
    while waiting:
        holder = waiting.pop()
        names = await _names(holder)
        for path, entry in holder.links.items():
            commit = entry.id.hex()
            clone = await _clone_with(commit, holder, names.get(path))
            if clone is None or holder.depth == _DEEPEST:
                missing.append((holder.prefix + path, commit))
                continue
            inner = await clone.run("rev-parse", "--verify", f"{commit}^{{tree}}")
            await bring_commit(inner, out_of=clone, into=store.git)
            files = await store.files_of(inner)
            found.append(Submodule(holder.prefix + path, clone.git_dir, files))
            waiting.append(_within(holder, clone, inner, path, files))
    return Submodules(found, missing)


def _within(holder: _Holder, clone: Git, tree: str, path: bytes, files: FlatTree) -> _Holder:
    links = {name: entry for name, entry in files.items() if entry.mode == SUBMODULE}
    prefix = holder.prefix + path + b"/"
    return _Holder(clone, [clone.git_dir], tree, links, prefix, holder.depth + 1)


async def _names(holder: _Holder) -> Mapping[bytes, str]:
    """Return the name of each submodule by its path, as the tree tells them."""
    if not holder.links:
        return {}
    told = await holder.git.answer(
        "config",
        "-z",
        f"--blob={holder.tree}:.gitmodules",
        "--get-regexp",
        r"^submodule\..*\.path$",
    )
    fields = (line.partition("\n") for line in told.stdout.split("\0") if line)
    return {
        path.encode(): key.removeprefix("submodule.").removesuffix(".path")
        for key, _, path in fields
    }


async def _clone_with(commit: str, holder: _Holder, name: str | None) -> Git | None:
    """Return the clone that has a commit of a submodule, if one has."""
    for folder in _clones(holder, name):
        git = Git(folder, holder.git.search_path)
        told = await git.answer("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")
        if told.exit_code == 0:
            return git
    return None


def _clones(holder: _Holder, name: str | None) -> Iterator[Path]:
    # The name stands in a file of the tree, and could lead anywhere.
    if name is None or ".." in PurePosixPath(name).parts or name.startswith("/"):
        return
    for home in holder.homes:
        folder = home / "modules" / name
        if (folder / "HEAD").is_file():
            yield folder


_SHOWN = 5


def untold(sentence: str) -> None:
    """Tell nobody."""


async def gather(
    repository: Repository,
    store: Store,
    *,
    tree: str,
    base: FlatTree,
    candidate: FlatTree,
    left_out: Sequence[str],
    tell: Callable[[str], None] = untold,
) -> FlatTree:
    """Return the files of submodules, and the contents of large files in the place of pointers.

    What the project's clone does not have is told.
    """
    large = await find_large_files(store, candidate, _objects_of_lfs(repository.common_dir))
    missing = list(large.missing)
    laid: dict[bytes, TreeEntry] = dict(large.found)
    submodules = await find_submodules(
        store,
        repository.git,
        list(dict.fromkeys([repository.git.git_dir, repository.common_dir])),
        tree,
        _links(base, left_out),
    )
    for one in submodules.found:
        large = await find_large_files(store, one.files, _objects_of_lfs(one.git_dir))
        missing += [one.path + b"/" + path for path in large.missing]
        whole = {one.path + b"/" + path: it for path, it in {**one.files, **large.found}.items()}
        laid |= candidate_files(whole, left_out)
    for path, commit in sorted(submodules.missing):
        tell(
            f"The submodule {text_of(path)} is not in this clone at {commit[:12]}, so the run goes "
            "without it: `git submodule update --init` fetches it."
        )
    if missing:
        tell(
            f"git LFS keeps what this clone does not have, so the run sees pointers only: "
            f"{_named(missing)}; `git lfs pull` fetches it."
        )
    return laid


def _objects_of_lfs(git_dir: Path) -> Path:
    return git_dir / "lfs" / "objects"


def _links(base: FlatTree, left_out: Sequence[str]) -> FlatTree:
    """Return the submodules of a tree, but for those that lie where agents get nothing."""
    links = {path: entry for path, entry in base.items() if entry.mode == SUBMODULE}
    as_files = {path: TreeEntry(0, entry.id) for path, entry in links.items()}
    return {path: links[path] for path in candidate_files(as_files, left_out)}


def _named(paths: Sequence[bytes]) -> str:
    return ", ".join(_some(sorted(map(text_of, paths))))


def _some(names: Sequence[str]) -> Iterator[str]:
    yield from names[:_SHOWN]
    if len(names) > _SHOWN:
        yield f"and {len(names) - _SHOWN} more"

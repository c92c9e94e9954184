"""The result tree: the base commit with a candidate's changes. Reserved names are refused."""

import re
from collections.abc import Mapping, Sequence, Set
from functools import partial
from re import Pattern

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.seams import Base
from attractor.engine.state.attempts import TreeId
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.gitattributes import may_run_programs
from attractor.workspaces.git.gitignore import IgnoreRules, below_prefix
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import (
    FILE,
    PROGRAM,
    SUBMODULE,
    FlatTree,
    TreeChange,
    TreeEntry,
    canonical_mode,
    folders_above,
    text_of,
    write_tree,
)

_LARGEST = 100 << 20
_LONG_LINE = late_pattern(rb"[^\n]{2048}")


async def refused_attributes(store: ObjectStore, since: str, until: str) -> Sequence[str]:
    """Return the changed attribute files that git refuses.

    Such a file can be stored, but a branch that contains it can be neither pushed nor cloned.
    """
    changed = await _changed_attributes(store, since, until)
    files = [change for change in changed if _is_plain_file(change.path, change.after)]
    others = [change.path for change in changed if not _is_plain_file(change.path, change.after)]
    ids = [change.after.id for change in files if change.after]
    offending = await store.with_blobs(ids, lambda texts: list(map(_offends, texts)))
    found = [change.path for change, offends in zip(files, offending, strict=True) if offends]
    return sorted(text_of(path) for path in [*others, *found])


async def attributes_with_programs(store: ObjectStore, since: str, until: str) -> Sequence[str]:
    """Return the attribute files with a new line that may run a program, sorted."""
    changed = await _changed_attributes(store, since, until)
    found: list[str] = []
    for change in changed:
        # A link has no lines: git does not follow it.
        kept = [
            entry.id if entry and _is_plain_file(change.path, entry) else None
            for entry in (change.before, change.after)
        ]
        texts = await store.with_blobs([one for one in kept if one], list)
        before, after = (texts.pop(0) if one else b"" for one in kept)
        if may_run_programs(after, before):
            found.append(text_of(change.path))
    return found


async def _changed_attributes(store: ObjectStore, since: str, until: str) -> list[TreeChange]:
    return [
        change
        for change in await store.changes(since, until)
        if change.after is not None and any(map(is_attributes, change.path.split(b"/")))
    ]


def _is_plain_file(path: bytes, entry: TreeEntry | None) -> bool:
    is_name = is_attributes(path.rpartition(b"/")[2])
    return is_name and entry is not None and entry.mode in (FILE, PROGRAM)


def _offends(content: bytes) -> bool:
    return len(content) > _LARGEST or _LONG_LINE.search(content) is not None


# Characters that macOS ignores in names.
_INVISIBLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def is_dot_git(name: bytes) -> bool:
    """Return whether a file system may read a name as `.git`; git refuses trees with such names."""
    # Fast path for most names of a workspace.
    if name.isascii() and b"git" not in name.lower():
        return False
    return any(_is_dot_git_on_windows(part) for part in visible_name(name).split("\\"))


def visible_name(name: bytes) -> str:
    """Return a name in small letters, without the characters that macOS ignores."""
    return name.decode("utf-8", "surrogateescape").translate(_INVISIBLE).lower()


def _is_dot_git_on_windows(part: str) -> bool:
    return part.partition(":")[0].rstrip(" .") in (".git", "git~1")


def is_modules(name: bytes) -> bool:
    """Return whether git may read a name as `.gitmodules`."""
    return _is_reserved(name, _MODULES)


def is_attributes(name: bytes) -> bool:
    """Return whether git may read a name as `.gitattributes`."""
    return _is_reserved(name, _ATTRIBUTES)


def _is_reserved(name: bytes, wanted: Pattern[str]) -> bool:
    # Fast path for most names.
    if name.isascii() and b"\\" not in name and not name.lower().startswith((b".git", b"g", b"~")):
        return False
    return any(wanted.fullmatch(part) for part in visible_name(name).split("\\"))


def _name_pattern(name: str, hashed: str) -> Pattern[str]:
    """Return a pattern that matches a name and the short names of this name on Windows.

    `hashed` is the hash of the name.
    """
    short = [f"{hashed[:kept]}~[1-9][0-9]{{{6 - kept}}}" for kept in range(7)]
    names = [re.escape(f".{name}"), f"{name[:6]}~[1-4]", *short]
    return late_pattern(f"(?:{'|'.join(names)})[ .]*(?::.*)?", re.DOTALL)


_MODULES = _name_pattern("gitmodules", "gi7eba")
_ATTRIBUTES = _name_pattern("gitattributes", "gi7d29")


EXCLUDED = ("/scenarios/", "/runs/")
"""Patterns (as in `.gitignore`) of project files that agents never see."""


def excluded_in(prefix: str) -> tuple[str, ...]:
    """Return the patterns for a repository whose project is in the subfolder `prefix`."""
    return (*EXCLUDED, *below_prefix(prefix, EXCLUDED))


LEAVE_OUT = (
    *("__pycache__/", "*.pyc", "*.pyo", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/"),
    *(".hypothesis/", ".coverage", "htmlcov/", "*.egg-info/", ".eggs/", ".tox/", ".nox/"),
    *(".venv/", "venv/", ".ipynb_checkpoints/"),
    *("node_modules/", ".npm/", ".nyc_output/", ".parcel-cache/", ".turbo/"),
    *(".gradle/", ".dart_tool/", ".terraform/", ".ccls-cache/", ".DS_Store"),
)
"""Patterns (as in `.gitignore`) of files that build tools leave. A snapshot contains them only if
the base tree contains them.
"""

BUILD_FOLDERS: Mapping[str, Sequence[str]] = {
    "target": ("Cargo.toml", "pom.xml"),
    "build": ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
}
"""Names of folders that a build writes beside one of the files; they are left out as `LEAVE_OUT`
is.
"""


@dataclass(frozen=True)
class ResultTree:
    """The result tree of a run, and the paths of changes that were refused."""

    tree: TreeId
    refused: tuple[str, ...]


@dataclass(frozen=True)
class ProtectedPaths:
    """Paths of a base tree that workspaces do not contain and changes cannot touch."""

    rules: IgnoreRules
    paths: Set[bytes]
    folders: Set[bytes]

    def has(self, path: bytes, *, is_folder: bool) -> bool:
        """Return whether a path is protected; assume that no parent folder is protected."""
        return (
            path in self.paths
            or (path in self.folders and not is_folder)
            or self.rules.ignores(path, is_folder=is_folder)
        )

    def touched_by(self, path: bytes) -> bool:
        """Return whether a file at a path would change or replace a protected path."""
        parents = folders_above(path)
        return self.has(path, is_folder=False) or any(
            self.has(folder, is_folder=True) for folder in parents
        )


def protected_paths(base: FlatTree, excluded: Sequence[str]) -> ProtectedPaths:
    """Return the paths of a base tree that workspaces do not contain."""
    rules = IgnoreRules({}, excluded)
    ignored_files = rules.ignored_files(base)
    paths = {
        path for path, entry in base.items() if path in ignored_files or _is_protected(path, entry)
    }
    return ProtectedPaths(
        rules, paths, {folder for path in paths for folder in folders_above(path)}
    )


def candidate_files(base: FlatTree, excluded: Sequence[str]) -> FlatTree:
    """Return the files of a base tree that workspaces contain."""
    protected = protected_paths(base, excluded).paths
    return {
        path: TreeEntry(canonical_mode(entry.mode), entry.id)
        for path, entry in base.items()
        if path not in protected
    }


def overlay_changes(
    base: FlatTree, protected: ProtectedPaths, changes: Sequence[TreeChange]
) -> tuple[FlatTree, Sequence[TreeChange]]:
    """Apply changes to a base tree.

    Return the resulting tree, and the refused changes of protected paths.
    """
    files = dict(base)
    refused: list[TreeChange] = []
    for change in changes:
        path = change.path
        if protected.touched_by(path):
            refused.append(change)
        elif change.after is None:
            files.pop(path, None)
        else:
            files[path] = change.after
    return files, refused


async def result_trees(
    store: ObjectStore, base: Base, candidates: Sequence[TreeId], *, excluded: Sequence[str]
) -> Sequence[ResultTree]:
    """Return the result tree of each candidate tree."""
    files = await store.files_of(base.tree)
    protected = protected_paths(files, excluded)
    results = {
        candidate: await _result_tree(store, base, files, protected, candidate, changes)
        for candidate, changes in (await store.changes_to(candidates, base.candidate)).items()
    }
    return [results[candidate] for candidate in candidates]


async def _result_tree(
    store: ObjectStore,
    base: Base,
    files: FlatTree,
    protected: ProtectedPaths,
    candidate: TreeId,
    changes: Sequence[TreeChange],
) -> ResultTree:
    if not changes:
        return ResultTree(base.tree, ())
    laid, refused = overlay_changes(files, protected, changes)
    if base.tree == base.candidate and not refused:
        # Without protected paths the candidate is the result: fast for large projects.
        return ResultTree(candidate, ())
    tree = await in_thread(partial(write_tree, store.objects, laid))
    return ResultTree(tree.hex(), tuple(text_of(path.path) for path in refused))


def _is_protected(path: bytes, entry: TreeEntry) -> bool:
    if entry.mode == SUBMODULE:
        return True
    # Fast path for most names: a disguised `.git` without these letters is not ASCII.
    if path.isascii() and b"git" not in path.lower():
        return False
    return any(is_dot_git(name) for name in path.split(b"/"))

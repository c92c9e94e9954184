"""The result tree: the base commit's tree with the candidate's changes laid over it."""

from collections.abc import Sequence, Set
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import Base
from attractor.engine.state.identifiers import TreeId
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.reserved_names import is_dot_git
from attractor.workspaces.git.trees import (
    SUBMODULE,
    Change,
    FlatTree,
    TreeEntry,
    canonical_mode,
    folders_above,
    text_of,
    write_tree,
)

LEFT_OUT = ("/scenarios/", "/runs/")
"""What agents never see of a project, in the words of a `.gitignore`."""


@dataclass(frozen=True)
class ResultTree:
    """What a run made of the project, and changes that were not laid over what is kept from it."""

    tree: TreeId
    not_taken: tuple[str, ...]


@dataclass(frozen=True)
class ProtectedPaths:
    """What a workspace does not get of a base tree, and what no change can touch."""

    rules: IgnoreRules
    paths: Set[bytes]
    folders: Set[bytes]

    def has(self, path: bytes, *, is_folder: bool) -> bool:
        """Say whether nothing of an agent's can stand at a path, given its folders may be there."""
        return (
            path in self.paths
            or (path in self.folders and not is_folder)
            or self.rules.ignores(path, is_folder=is_folder)
        )

    def touched_by(self, path: bytes) -> bool:
        """Say whether a file at a path would touch what is kept, or stand where it could be."""
        above = folders_above(path)
        return self.has(path, is_folder=False) or any(
            self.has(folder, is_folder=True) for folder in above
        )


def kept_of(base: FlatTree, left_out: Sequence[str]) -> ProtectedPaths:
    """Return what a workspace does not get of a base tree."""
    rules = IgnoreRules({}, left_out)
    hidden = rules.hidden(base)
    paths = {path for path, entry in base.items() if path in hidden or _is_kept(path, entry)}
    return ProtectedPaths(
        rules, paths, {folder for path in paths for folder in folders_above(path)}
    )


def candidate_files(base: FlatTree, left_out: Sequence[str]) -> FlatTree:
    """Return what a workspace gets of a base tree."""
    kept = kept_of(base, left_out).paths
    return {
        path: TreeEntry(canonical_mode(entry.mode), entry.id)
        for path, entry in base.items()
        if path not in kept
    }


def lay_over(
    base: FlatTree, changes: Sequence[Change], left_out: Sequence[str]
) -> tuple[FlatTree, Sequence[Change]]:
    """Return a base tree with changes laid over, and the changes that would touch what is kept."""
    return _laid_over(base, kept_of(base, left_out), changes)


def _laid_over(
    base: FlatTree, kept: ProtectedPaths, changes: Sequence[Change]
) -> tuple[FlatTree, Sequence[Change]]:
    files = dict(base)
    refused: list[Change] = []
    for change in changes:
        path = change.path
        if kept.touched_by(path):
            refused.append(change)
        elif change.after is None:
            files.pop(path, None)
        else:
            files[path] = change.after
    return files, refused


async def result_trees(
    store: Store, base: Base, candidates: Sequence[TreeId], *, left_out: Sequence[str]
) -> Sequence[ResultTree]:
    """Return the result tree of each candidate tree."""
    files = await store.files_of(base.tree)
    kept = kept_of(files, left_out)
    results = {base.candidate: ResultTree(base.tree, ())}
    # Most stages change nothing, so many of them have one tree.
    for candidate in dict.fromkeys(candidates):
        if candidate not in results:
            results[candidate] = await _result_tree(store, base, files, kept, candidate)
    return [results[candidate] for candidate in candidates]


async def _result_tree(
    store: Store, base: Base, files: FlatTree, kept: ProtectedPaths, candidate: TreeId
) -> ResultTree:
    changes = await store.changes(base.candidate, candidate)
    if not changes:
        return ResultTree(base.tree, ())
    laid, refused = _laid_over(files, kept, changes)
    if base.tree == base.candidate and not refused:
        # Nothing of the project was kept from it: in a large one this saves the most of the work.
        return ResultTree(candidate, ())
    tree = await in_thread(partial(write_tree, store.objects, laid))
    return ResultTree(tree.hex(), tuple(text_of(one.path) for one in refused))


def _is_kept(path: bytes, entry: TreeEntry) -> bool:
    if entry.mode == SUBMODULE:
        return True
    # Most paths end here: no name of git's is without these letters, but in other alphabets.
    if path.isascii() and b"git" not in path.lower():
        return False
    return any(is_dot_git(name) for name in path.split(b"/"))

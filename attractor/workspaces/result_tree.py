"""The result tree: the base commit's tree with the candidate's changes laid over it."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial

from attractor.engine.seams import Base, TreeId
from attractor.workspaces.dot_git import is_dot_git
from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.in_thread import in_thread
from attractor.workspaces.store import Store
from attractor.workspaces.trees import (
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


def candidate_files(base: FlatTree, left_out: Sequence[str]) -> FlatTree:
    """Return what a workspace gets of a base tree."""
    hidden = _hidden(base, left_out)
    return {
        path: TreeEntry(canonical_mode(entry.mode), entry.id)
        for path, entry in base.items()
        if path not in hidden
    }


def lay_over(
    base: FlatTree, changes: Sequence[Change], left_out: Sequence[str]
) -> tuple[FlatTree, Sequence[Change]]:
    """Return a base tree with changes laid over, and the changes that would touch what is kept."""
    kept = _hidden(base, left_out)
    rules = _rules(left_out)
    kept_folders = {folder for path in kept for folder in folders_above(path)}
    files = dict(base)
    refused: list[Change] = []
    for change in changes:
        path = change.path
        if path in kept_folders or rules.hides(path) or not kept.isdisjoint(_with_above(path)):
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
    results: list[ResultTree] = []
    for candidate in candidates:
        changes = await store.changes(base.candidate, candidate)
        if not changes:
            results.append(ResultTree(base.tree, ()))
            continue
        laid, refused = lay_over(files, changes, left_out)
        tree = await in_thread(partial(write_tree, store.objects, laid))
        results.append(ResultTree(tree.hex(), tuple(text_of(one.path) for one in refused)))
    return results


def _with_above(path: bytes) -> Iterator[bytes]:
    yield path
    yield from folders_above(path)


def _rules(left_out: Sequence[str]) -> IgnoreRules:
    return IgnoreRules({}, left_out)


def _hidden(base: FlatTree, left_out: Sequence[str]) -> Set[bytes]:
    """Return the paths of a base tree that a workspace does not get."""
    rules = _rules(left_out)
    return {
        path
        for path, entry in base.items()
        if entry.mode == SUBMODULE
        or rules.hides(path)
        or any(is_dot_git(name) for name in path.split(b"/"))
    }

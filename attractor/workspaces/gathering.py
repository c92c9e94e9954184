"""Gathers what a workspace needs besides its tree from the project's own clone."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attractor.workspaces.lfs import find_large_files
from attractor.workspaces.repository import Repository
from attractor.workspaces.result_tree import candidate_files
from attractor.workspaces.store import Store
from attractor.workspaces.submodules import find_submodules
from attractor.workspaces.trees import SUBMODULE, FlatTree, TreeEntry, text_of

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

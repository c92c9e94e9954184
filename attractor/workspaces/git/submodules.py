"""Finds the files of submodules in the submodule clones of the project."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.workspaces.git.object_store import ObjectStore, bring_commit
from attractor.workspaces.git.objects import SUBMODULE, FlatTree, TreeEntry
from attractor.workspaces.git.repository import Git

_DEEPEST = 20


@dataclass(frozen=True)
class Submodule:
    """A submodule at a commit: the path, the git directory and the files."""

    path: bytes
    git_dir: Path
    files: FlatTree


@dataclass(frozen=True)
class Submodules:
    """Submodules that were found (including nested submodules), and paths and commits of missing
    submodules.
    """

    found: Sequence[Submodule]
    missing: Sequence[tuple[bytes, str]]


@dataclass(frozen=True)
class _Holder:
    """A repository with submodules: a tree, and the folders of clones."""

    git: Git
    homes: Sequence[Path]
    tree: str
    links: Mapping[bytes, TreeEntry]
    prefix: bytes = b""
    depth: int = 0


async def find_submodules(
    store: ObjectStore, git: Git, homes: Sequence[Path], tree: str, links: FlatTree
) -> Submodules:
    """Copy the files of submodules into a store.

    `links` are the entries of the submodules in a tree; `homes` are the git directories that may
    contain clones.
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
            inner_links = {name: files[name] for name in files if files[name].mode == SUBMODULE}
            prefix = holder.prefix + path + b"/"
            waiting.append(
                _Holder(clone, [clone.git_dir], inner, inner_links, prefix, holder.depth + 1)
            )
    return Submodules(found, missing)


async def _names(holder: _Holder) -> Mapping[bytes, str]:
    """Return the names of submodules by path, from `.gitmodules` of the tree."""
    if not holder.links:
        return {}
    result = await holder.git.answer(
        "config",
        "-z",
        f"--blob={holder.tree}:.gitmodules",
        "--get-regexp",
        r"^submodule\..*\.path$",
    )
    fields = (line.partition("\n") for line in result.stdout.split("\0") if line)
    return {
        path.encode(): key.removeprefix("submodule.").removesuffix(".path")
        for key, _, path in fields
    }


async def _clone_with(commit: str, holder: _Holder, name: str | None) -> Git | None:
    """Return the clone that contains a commit of a submodule, if any."""
    # The name is from a file of the tree, and could be any path.
    if name is None or ".." in PurePosixPath(name).parts or name.startswith("/"):
        return None
    for home in holder.homes:
        folder = home / "modules" / name
        if not (folder / "HEAD").is_file():
            continue
        git = Git(folder, holder.git.search_path)
        result = await git.answer("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")
        if result.exit_code == 0:
            return git
    return None

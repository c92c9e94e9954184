"""The promoted tree of an app: the files that a decision put into its branch."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from attractor.growth.apps.divergence import FOLDERS, Files
from attractor.growth.spec.files import NODES
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import Repository

_TRAILERS = "^Attractor-(Decision|Rolled-Back): "


class PromotedTree(NamedTuple):
    """A promoted commit with its files of app and specification."""

    commit: str
    files: Files


async def read_promoted(repository: Repository) -> PromotedTree | None:
    """Return the newest promoted commit of the checked-out branch; None without an app in one."""
    asked = ("log", "-1", "--format=%H", "--extended-regexp", f"--grep={_TRAILERS}", "HEAD")
    commit = (await repository.git.answer(*asked)).stdout.strip()
    if not commit:
        return None
    with TemporaryDirectory(prefix="attractor-promoted-") as folder:
        # Git writes nothing into the repository of the person.
        store = ObjectStore(
            Path(folder) / "git",
            object_format=repository.object_format,
            search_path=repository.git.search_path,
        )
        await store.create(borrow_from=repository.objects)
        prefixes = tuple(f"{repository.prefix}{one}/".encode() for one in FOLDERS)
        tree = await store.files_of(await repository.tree(commit))
        wanted = {path: entry for path, entry in tree.items() if path.startswith(prefixes)}
        nodes = f"{repository.prefix}{NODES.as_posix()}/".encode()
        if not any(path.startswith(nodes) for path in wanted):
            return None
        contents = await store.with_blobs([one.id for one in wanted.values()], list)
    top = len(repository.prefix.encode())
    names = [path[top:].decode(errors="surrogateescape") for path in wanted]
    return PromotedTree(commit, dict(zip(names, contents, strict=True)))

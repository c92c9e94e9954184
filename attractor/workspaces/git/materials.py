"""Files of a workspace that its tree does not contain: submodules, and contents of git LFS."""

from collections.abc import Mapping, Set
from dataclasses import field
from itertools import chain

from attractor.base.dataclasses import dataclass
from attractor.workspaces.git.trees import FlatTree, TreeEntry, folders_above


@dataclass(frozen=True)
class Materials:
    """The files of submodules, and what stands in the place of each pointer.

    `beside` are in no tree; `folders` are those they lie in, from the submodule on. `contents` tell
    of a path what the tree has, and what the folder has.
    """

    beside: FlatTree = field(default_factory=dict[bytes, TreeEntry])
    folders: Set[bytes] = frozenset()
    contents: Mapping[bytes, tuple[bytes, bytes]] = field(
        default_factory=dict[bytes, tuple[bytes, bytes]]
    )

    def laid_into(self, files: FlatTree) -> FlatTree:
        """Return all that a folder holds which shows a whole tree."""
        return {**self.shown(files), **self.beside}

    def shown(self, files: FlatTree) -> FlatTree:
        """Return files of a tree as a folder shows them."""
        if not self.contents:
            return files
        return {path: TreeEntry(one.mode, self._shown(path, one)) for path, one in files.items()}

    def kept(self, path: bytes, content: bytes) -> bytes:
        """Return what a tree has of a file whose content a folder shows."""
        pointer, shown = self.contents.get(path, (content, content))
        return pointer if content == shown else content

    def _shown(self, path: bytes, entry: TreeEntry) -> bytes:
        pointer, shown = self.contents.get(path, (entry.id, entry.id))
        return shown if entry.id == pointer else entry.id


NO_MATERIALS = Materials()


def materials_of(laid: FlatTree, candidate: FlatTree, submodules: Set[bytes]) -> Materials:
    """Return what the files laid into a workspace are, given its tree and the submodules' paths."""
    beside = {path: entry for path, entry in laid.items() if path not in candidate}
    above = chain.from_iterable(map(folders_above, beside))
    folders = {folder for folder in above if _is_within(folder, submodules)}
    contents = {
        path: (candidate[path].id, entry.id) for path, entry in laid.items() if path in candidate
    }
    return Materials(beside, folders, contents)


def _is_within(folder: bytes, submodules: Set[bytes]) -> bool:
    return folder in submodules or any(above in submodules for above in folders_above(folder))

"""Files of a workspace that its tree does not contain: submodules, and contents of git LFS."""

from collections.abc import Mapping, Set
from dataclasses import field
from itertools import chain

from attractor.base.dataclasses import dataclass
from attractor.workspaces.git.trees import FlatTree, TreeEntry, folders_above


@dataclass(frozen=True)
class Materials:
    """Files of submodules, and contents of git LFS pointers.

    Trees contain the commit of a submodule and the pointer of a large file; folders contain the
    files. `beside` are files of submodules in `folders`. `contents` maps a path to the id in the
    tree and the id in the folder.
    """

    beside: FlatTree = field(default_factory=dict[bytes, TreeEntry])
    folders: Set[bytes] = frozenset()
    contents: Mapping[bytes, tuple[bytes, bytes]] = field(
        default_factory=dict[bytes, tuple[bytes, bytes]]
    )

    def added_to(self, files: FlatTree) -> FlatTree:
        """Return the files of a folder that contains a whole tree."""
        return {**self.shown(files), **self.beside}

    def shown(self, files: FlatTree) -> FlatTree:
        """Return files of a tree with the contents in a folder."""
        if not self.contents:
            return files
        return {path: TreeEntry(one.mode, self._shown(path, one)) for path, one in files.items()}

    def tree_id(self, path: bytes, content: bytes) -> bytes:
        """Return the id in a tree for the id of a content in a folder."""
        pointer, shown = self.contents.get(path, (content, content))
        return pointer if content == shown else content

    def _shown(self, path: bytes, entry: TreeEntry) -> bytes:
        pointer, shown = self.contents.get(path, (entry.id, entry.id))
        return shown if entry.id == pointer else entry.id


NO_MATERIALS = Materials()


def materials_of(laid: FlatTree, candidate: FlatTree, submodules: Set[bytes]) -> Materials:
    """Return the materials of a workspace, given its added files, its tree and its submodules."""
    beside = {path: entry for path, entry in laid.items() if path not in candidate}
    above = chain.from_iterable(map(folders_above, beside))
    folders = {folder for folder in above if _is_within(folder, submodules)}
    contents = {
        path: (candidate[path].id, entry.id) for path, entry in laid.items() if path in candidate
    }
    return Materials(beside, folders, contents)


def _is_within(folder: bytes, submodules: Set[bytes]) -> bool:
    return folder in submodules or any(above in submodules for above in folders_above(folder))

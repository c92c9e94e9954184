"""Reads the ignore files of a folder or a commit."""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.workspaces.errors import FolderTooLarge
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import Repository
from attractor.workspaces.git.reserved_names import is_dot_git
from attractor.workspaces.result_tree import EXCLUDED, protected_paths
from attractor.workspaces.snapshot import SnapshotRules


def read_ignores(
    folder: Path,
    also_excluded: Sequence[str],
    *,
    most_files: int | None = None,
    most_bytes: int | None = None,
) -> IgnoreRules:
    """Read the ignore files of a folder, except for files in ignored folders.

    A folder with more than `most_files` or `most_bytes` is refused as soon as that is known.
    """
    walk = _Walk(folder, also_excluded)
    for files, size in walk.sizes():
        if most_files is not None and files > most_files:
            raise FolderTooLarge(f"{folder} has more than {most_files:,} files")
        if most_bytes is not None and size > most_bytes:
            raise FolderTooLarge(f"the files in {folder} exceed {_shown(most_bytes)}")
    return walk.rules


class _Walk:
    """One walk over a folder, with the rules found so far."""

    def __init__(self, folder: Path, also_excluded: Sequence[str]) -> None:
        self._folder, self._kept_out = folder, also_excluded
        self._files: dict[bytes, bytes] = {}
        self.rules = IgnoreRules(self._files, also_excluded)

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield the number of files so far and their total size after each folder."""
        files = size = 0
        waiting = [b""]
        while waiting:
            at = waiting.pop()
            try:
                self._read(at)
                for path, told in _listed(self._folder, at):
                    is_folder = stat.S_ISDIR(told.st_mode)
                    if self.rules.ignores(path, is_folder=is_folder):
                        continue
                    if is_folder:
                        waiting.append(path + b"/")
                    else:
                        files, size = files + 1, size + told.st_size
            except OSError as cause:
                raise file_error("read", self._folder / os.fsdecode(at), cause) from cause
            yield files, size

    def _read(self, at: bytes) -> None:
        file = self._folder / os.fsdecode(at) / ".gitignore"
        if file.is_file() and not file.is_symlink():
            self._files[at] = file.read_bytes()
            self.rules = IgnoreRules(self._files, self._kept_out)


def _listed(folder: Path, at: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield the entries of a folder; the snapshot reports unreadable folders."""
    try:
        found = os.scandir(folder / os.fsdecode(at))
    except PermissionError:
        return
    with found:
        for one in found:
            name = os.fsencode(one.name)
            if is_dot_git(name):
                continue
            try:
                yield at + name, one.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed during the walk
                continue


def _shown(size: int) -> str:
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size:,} bytes"


_IGNORES = b".gitignore"
_PLAIN_FILE = b"100"


@dataclass(frozen=True)
class CommitRules:
    """The rules for a workspace of a commit, and the paths of its files."""

    rules: SnapshotRules
    files: Set[bytes]


async def read_commit_rules(
    repository: Repository, commit: str, *, excluded: Sequence[str] = EXCLUDED
) -> CommitRules:
    """Read the paths and the ignore files of a commit."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed"
        await repository.git.run_to(listed, "ls-tree", "-r", "-z", "--full-tree", commit)
        files = dict(map(_parsed, listed.read_bytes().split(b"\0")[:-1]))
    texts = await _ignore_files(repository, files)
    rules = SnapshotRules(IgnoreRules(texts), protected=protected_paths({}, excluded))
    return CommitRules(rules, files.keys())


async def _ignore_files(
    repository: Repository, files: Mapping[bytes, tuple[bytes, str]]
) -> dict[bytes, bytes]:
    texts: dict[bytes, bytes] = {}
    for path, (mode, name) in files.items():
        if path.rpartition(b"/")[2] == _IGNORES and mode.startswith(_PLAIN_FILE):
            text = await repository.git.run("cat-file", "blob", name)
            texts[path.removesuffix(_IGNORES)] = text.encode("utf-8", "surrogateescape")
    return texts


def _parsed(line: bytes) -> tuple[bytes, tuple[bytes, str]]:
    told, _, path = line.partition(b"\t")
    mode, _, name = told.split(b" ")
    return path, (mode, name.decode())

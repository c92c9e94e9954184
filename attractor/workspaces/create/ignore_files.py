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
from attractor.workspaces.result_tree import LEFT_OUT, kept_of
from attractor.workspaces.snapshot import Rules


def read_ignores(
    folder: Path,
    kept_out: Sequence[str],
    *,
    most_files: int | None = None,
    most_bytes: int | None = None,
) -> IgnoreRules:
    """Read the ignore files of a folder, but for those in folders that are ignored themselves.

    One with more files, or larger ones, than it may have is refused as soon as that is known.
    """
    walk = _Walk(folder, kept_out)
    for files, size in walk.sizes():
        if most_files is not None and files > most_files:
            raise FolderTooLarge(f"{folder} has more than {most_files:,} files")
        if most_bytes is not None and size > most_bytes:
            raise FolderTooLarge(f"the files in {folder} are larger than {_shown(most_bytes)}")
    return walk.rules


class _Walk:
    """One walk over a folder: the rules as far as they are known."""

    def __init__(self, folder: Path, kept_out: Sequence[str]) -> None:
        self._folder, self._kept_out = folder, kept_out
        self._files: dict[bytes, bytes] = {}
        self.rules = IgnoreRules(self._files, kept_out)

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield after each folder how many files there are so far, and how large they all are."""
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
    """Yield what lies in a folder; of one that may not be read the snapshot tells."""
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
            except FileNotFoundError:  # it went while we looked
                continue


def _shown(size: int) -> str:
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size:,} bytes"


_IGNORES = b".gitignore"
_PLAIN_FILE = b"100"


@dataclass(frozen=True)
class CommitRules:
    """What a commit says: the rules for a workspace of it, and the paths of all its files."""

    rules: Rules
    files: Set[bytes]


async def look_into(
    repository: Repository, commit: str, *, left_out: Sequence[str] = LEFT_OUT
) -> CommitRules:
    """Read the files of a commit and what they say of those that git ignores."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed"
        await repository.git.run_to(listed, "ls-tree", "-r", "-z", "--full-tree", commit)
        files = dict(map(_parsed, listed.read_bytes().split(b"\0")[:-1]))
    texts = await _ignore_files(repository, files)
    rules = Rules(IgnoreRules(texts), kept=kept_of({}, left_out))
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

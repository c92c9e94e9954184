"""Searches what a run left behind for the canary of its suite.

Every sealed holdout carries the canary, so a canary outside of the sealed copy proves that a
holdout was read. Files are read in pieces; `SecretSearch` finds encoded and wrapped texts.
"""

import os
import stat
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.base.secret_search import SecretSearch

_PIECE = 1 << 20
# A wrapped canary in hexadecimal digits is shorter.
_OVERLAP = 4096
_MOST_UNPACKED = 256 * _PIECE


@dataclass(frozen=True)
class SearchedFolder:
    """A folder to search, and its name in reports."""

    name: str
    root: Path


def find_leaks(canary: str, folders: Collection[SearchedFolder]) -> list[str]:
    """Return the places with a canary, plain or encoded (base64, hexadecimal), or reversed."""
    search = SecretSearch([canary, canary[::-1]])
    return [
        f"{folder.name}: {path.relative_to(folder.root)}"
        for folder in folders
        for path in _below(folder)
        if _has_leak(search, path, str(path.relative_to(folder.root)))
    ]


def _below(folder: SearchedFolder) -> Iterator[Path]:
    """Yield files and links of a folder, in order; links are not followed."""
    for at, folders, files in os.walk(folder.root, onerror=_refuse):
        here = Path(at)
        folders.sort()
        for name in folders:
            # An agent may have removed the permissions.
            _make_readable(here / name, stat.S_IRUSR | stat.S_IXUSR)
            if (here / name).is_symlink():
                yield here / name
        yield from (here / name for name in sorted(files))


def _refuse(error: OSError) -> None:
    raise file_error("search", Path(error.filename), error) from error


def _make_readable(path: Path, permissions: int) -> None:
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & permissions != permissions:
        path.chmod(stat.S_IMODE(found.st_mode) | permissions)


def _has_leak(search: SecretSearch, path: Path, name: str) -> bool:
    try:
        found = path.lstat()
        if search.may_find(name):
            return True
        if stat.S_ISLNK(found.st_mode):
            return search.may_find(str(path.readlink()))
        if not stat.S_ISREG(found.st_mode):
            return False
        _make_readable(path, stat.S_IRUSR)
        return any(search.may_find(piece) for piece in _texts(path))
    except FileNotFoundError:
        # The lock of a process that ended meanwhile.
        return False
    except OSError as cause:
        raise file_error("search", path, cause) from cause


def _texts(path: Path) -> Iterator[str]:
    """Yield the text of a file in overlapping pieces; a loose object of git is unpacked first."""
    is_packed = path.parent.parent.name == "objects" and len(path.parent.name) == 2
    pieces = _unpacked(path) if is_packed else _pieces(path)
    before = b""
    for piece in pieces:
        text = before + piece
        # The canary is ASCII, so any encoding of the bytes will do.
        yield text.decode("latin-1")
        before = text[-_OVERLAP:]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _unpacked(path: Path) -> Iterator[bytes]:
    """Yield the content of a loose object, such as the message of an agent's commit."""
    decoder, unpacked = zlib.decompressobj(), 0
    try:
        for packed in _pieces(path):
            while packed and unpacked < _MOST_UNPACKED:
                piece = decoder.decompress(packed, _PIECE)
                packed, unpacked = decoder.unconsumed_tail, unpacked + len(piece)
                yield piece
    except zlib.error:
        # Not an object of git.
        yield from _pieces(path)

"""Finds out whether files know where they lie: then they are of no use in another place.

Scripts of a `.venv` do, and so do programs that were built to be run from one folder.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PIECE = 1 << 20


def mention_path(folder: Path, paths: Sequence[str], place: str) -> bool:
    """Tell whether anything at some paths below a folder has a place in it; so has what is unread.

    What a link points to counts, and no link is followed.
    """
    words = tuple({os.fsencode(place), os.fsencode(os.path.realpath(place))})
    return any(_mentions(one, words) for path in paths for one in _below(folder / path))


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for at, folders, names in os.walk(path):
            yield from (Path(at, name) for name in (*folders, *names))


def _mentions(path: Path, words: Sequence[bytes]) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # it went while we looked
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                target = os.fsencode(path.readlink())
                return any(word in target for word in words)
            return stat.S_ISREG(mode) and _file_mentions(path, words)
        except PermissionError:
            return True
    return False


def _file_mentions(path: Path, words: Sequence[bytes]) -> bool:
    # A word may lie across the end of a piece.
    longest = max(map(len, words))
    rest = b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            piece = rest + piece
            if any(word in piece for word in words):
                return True
            rest = piece[-longest:]
    return False

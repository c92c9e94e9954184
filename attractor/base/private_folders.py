"""Folders for nobody but us, in which every file and folder is ours alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attractor.base.atomic_files import file_trouble

_OTHERS = 0o077


def make_private_folder(folder: Path) -> None:
    """Make a folder, with those it lies in, for nobody but us; one that is there stays as it is."""
    try:
        for one in reversed([folder, *folder.parents]):
            if not one.is_dir():
                one.mkdir(mode=0o700, exist_ok=True)
    except OSError as cause:
        raise file_trouble("make", folder, cause) from cause


def close_to_others(path: Path) -> int:
    """Take away what others may do with a file or folder; return 1 if that was anything, else 0."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & _OTHERS:
            return 0
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:  # somebody else was quicker
        return 0
    except OSError as cause:
        raise file_trouble("take others' permissions from", path, cause) from cause
    return 1


def close_all_below(folder: Path) -> int:
    """Take away what others may do in a folder, links not followed; return in how many places."""
    return sum(map(close_to_others, _below(folder)))


def _below(folder: Path) -> Iterator[Path]:
    yield folder
    if folder.is_symlink():
        return
    for at, folders, names in os.walk(folder):
        yield from (Path(at, name) for name in (*folders, *names))

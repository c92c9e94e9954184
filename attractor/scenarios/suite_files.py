"""Reads the files of a suite's folder: regular ones only, and none larger than people write.

What is no file would be read for ever or waited for, and a link may lead to what is nobody's suite.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_trouble
from attractor.scenarios.errors import InvalidSuite

MOST_BYTES = 16 * 1024 * 1024
"""How large a file of a suite may be."""
MOST_BYTES_TOGETHER = 256 * 1024 * 1024
"""How large all files of a suite may be together."""
MOST_FILES = 10_000
"""How many files and folders a suite may hold."""

_NO_FILE = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class SuiteFile:
    """A file of a suite: its path within the folder, and whether it can be executed."""

    path: str
    size: int
    is_executable: bool


def files_of(folder: Path) -> list[SuiteFile]:
    """Return every file below a suite's folder, or refuse what else lies there; reads none."""
    found: list[SuiteFile] = []
    together = 0
    for number, (path, status) in enumerate(_below(folder), 1):
        if number > MOST_FILES:
            raise InvalidSuite(f"{folder} holds more than {MOST_FILES} files", hint=_HINT)
        if stat.S_ISDIR(status.st_mode):
            continue
        _require_file(path, status)
        together += status.st_size
        if together > MOST_BYTES_TOGETHER:
            most = MOST_BYTES_TOGETHER // _MEBIBYTE
            raise InvalidSuite(f"the files of {folder} are more than {most} MiB", hint=_HINT)
        executable = bool(status.st_mode & stat.S_IXUSR)
        found.append(SuiteFile(str(path.relative_to(folder)), status.st_size, executable))
    return found


def read_file(path: Path) -> bytes:
    """Return what a file holds, and no more of it than a suite may."""
    try:
        # Not blocking, so that a pipe put there meanwhile keeps nobody waiting.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            _require_file(path, os.fstat(opened.fileno()))
            content = opened.read(MOST_BYTES + 1)
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    if len(content) > MOST_BYTES:
        raise _too_large(path)
    return content


_HINT = "a suite holds what its scenarios need; make the rest in a scenario's setup"


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all that lies below a folder, links not followed."""
    waiting = [folder]
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield Path(entry.path), entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    except OSError as cause:
        raise file_trouble("read", folder, cause) from cause


def _require_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = _NO_FILE.get(stat.S_IFMT(status.st_mode), "no file")
        raise InvalidSuite(f"{path} is {what}", hint="a suite holds files and folders only")
    if status.st_size > MOST_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> InvalidSuite:
    return InvalidSuite(f"{path} is larger than {MOST_BYTES // _MEBIBYTE} MiB", hint=_HINT)

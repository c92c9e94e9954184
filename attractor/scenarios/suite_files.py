"""Reads the files of a suite: only regular files of limited size."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error
from attractor.scenarios.errors import InvalidSuite

MOST_BYTES = 16 * 1024 * 1024
"""The maximum size of a file."""
MOST_BYTES_TOGETHER = 256 * 1024 * 1024
"""The maximum size of all files together."""
MOST_FILES = 10_000
"""The maximum number of files and folders."""

_SPECIAL_FILES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class SuiteFile:
    """A file of a suite, with its path in the folder."""

    path: str
    size: int
    is_executable: bool


def list_suite_files(folder: Path) -> list[SuiteFile]:
    """Return the files of a suite folder without reading them; refuse special files."""
    files: list[SuiteFile] = []
    total = 0
    for number, (path, status) in enumerate(_below(folder), 1):
        if number > MOST_FILES:
            raise InvalidSuite(f"{folder} contains more than {MOST_FILES} files", hint=_HINT)
        if stat.S_ISDIR(status.st_mode):
            continue
        _require_file(path, status)
        total += status.st_size
        if total > MOST_BYTES_TOGETHER:
            most = MOST_BYTES_TOGETHER // _MEBIBYTE
            raise InvalidSuite(f"the files of {folder} exceed {most} MiB", hint=_HINT)
        executable = bool(status.st_mode & stat.S_IXUSR)
        files.append(SuiteFile(str(path.relative_to(folder)), status.st_size, executable))
    return files


def read_suite_file(path: Path) -> bytes:
    """Read a file within the size limit."""
    try:
        # Non-blocking, in case a pipe replaced the file meanwhile.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            _require_file(path, os.fstat(opened.fileno()))
            content = opened.read(MOST_BYTES + 1)
    except OSError as cause:
        raise file_error("read", path, cause) from cause
    if len(content) > MOST_BYTES:
        raise _too_large(path)
    return content


_HINT = "remove unneeded files, or create large ones in the setup of a scenario"


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield everything below a folder, without following links."""
    waiting = [folder]
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield Path(entry.path), entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
    except OSError as cause:
        raise file_error("read", folder, cause) from cause


def _require_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _SPECIAL_FILES.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise InvalidSuite(f"{path} is {kind}", hint="a suite contains only files and folders")
    if status.st_size > MOST_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> InvalidSuite:
    return InvalidSuite(f"{path} is larger than {MOST_BYTES // _MEBIBYTE} MiB", hint=_HINT)

"""The files of a suite: where they lie, how large they may be, and which of them are known.

A suite is a folder. The twins that it names are in `_twins/` beside it, or in the folder itself, as
in a sealed copy.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, is_temporary
from attractor.base.json import content_hash
from attractor.base.patterns import late_pattern
from attractor.scenarios.errors import InvalidSuite

MOST_BYTES = 16 * 1024 * 1024
"""The maximum size in bytes of a file of a suite."""
MOST_BYTES_TOGETHER = 256 * 1024 * 1024
"""The maximum size in bytes of all files of a suite together."""
MOST_FILES = 10_000
"""The maximum number of files and folders of a suite."""

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
    """A file of a suite: its path in the sealed copy, and the file itself."""

    path: str
    source: Path
    size: int
    is_executable: bool


def list_suite_files(folder: Path) -> list[SuiteFile]:
    """Return the files of a suite folder without reading them; refuse special files."""
    files: list[SuiteFile] = []
    total = 0
    for number, (path, status) in enumerate(_paths_below(folder), 1):
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
        files.append(
            SuiteFile(path.relative_to(folder).as_posix(), path, status.st_size, executable)
        )
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


def hash_content(file: SuiteFile, content: bytes) -> str:
    """Return the hash of the content of a file; it ends in `+x` for an executable file."""
    return content_hash(content) + "+x" * file.is_executable


_HINT = "remove unneeded files, or create large ones in the setup of a scenario"


def _paths_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all files and folders below a folder, without following links."""
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
        raise InvalidSuite(f"{path} is {kind}", hint="only files and folders are allowed")
    if status.st_size > MOST_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> InvalidSuite:
    return InvalidSuite(f"{path} is larger than {MOST_BYTES // _MEBIBYTE} MiB", hint=_HINT)


SPLITS = ("train", "holdout")
SUITE_FILE = "suite.toml"
REQUIREMENTS_FILE = "requirements.toml"
LOCK_FILE = "suite.lock.json"
SCENARIO_END = ".scenario.toml"
FIXTURES = "fixtures"
CHECKS = "checks"
RUBRICS = "rubrics"
PATCHES = "reference"
PATCH_END = ".patch"
WRONG = "wrong"
TWINS = "_twins"
TWIN_FILE = "twin.toml"
_FREE_FOLDERS = (FIXTURES, CHECKS, RUBRICS, PATCHES, WRONG, TWINS)
_FREE_FILES = (SUITE_FILE, "README.md", REQUIREMENTS_FILE)
# Files that programs create by themselves; they are not part of a suite.
_IGNORED = {LOCK_FILE, "__pycache__", ".gitkeep", ".gitignore", ".DS_Store"}
# The end of a file name that was probably meant for a scenario.
_SCENARIO_LIKE = late_pattern(
    r"([._-]?scenarios?)?\.(toml|tml|tom)$|[._-]scenarios?$", re.IGNORECASE
)


def twins_folder(folder: Path) -> Path:
    """Return the folder of a suite's twins: in the suite if it has one, otherwise beside it."""
    own = folder / TWINS
    return own if own.is_dir() else folder.parent / TWINS


def files_of_suite(folder: Path, twins: Iterable[str]) -> list[SuiteFile]:
    """Return all files of a suite by path, with the files of the twins that it names."""
    files = list_suite_files(folder)
    place = twins_folder(folder)
    if place.parent != folder:
        files += [
            replace(file, path=f"{TWINS}/{name}/{file.path}")
            for name in twins
            if (place / name).is_dir()
            for file in list_suite_files(place / name)
        ]
    known = (file for file in files if not is_ignored(file.path))
    return sorted(known, key=lambda one: one.path)


def is_ignored(path: str) -> bool:
    """Return whether a file is not part of a suite, because a program made it by itself."""
    parts = PurePosixPath(path).parts
    return bool(_IGNORED & {*parts}) or is_temporary(parts[-1])


def refuse_misplaced(files: Iterable[SuiteFile]) -> None:
    """Refuse a file that would not be read, because of its name or its folder."""
    for file in files:
        if fault := _misplacement(PurePosixPath(file.path)):
            message, hint = fault
            raise InvalidSuite(f"{file.source}: {message}", hint=hint)


def _misplacement(path: PurePosixPath) -> tuple[str, str] | None:
    """Return the fault of a path and the remedy, or None."""
    *folders, name = path.parts
    top = folders[0] if folders else ""
    is_scenario = name.endswith(SCENARIO_END) and name != SCENARIO_END
    if top in _FREE_FOLDERS or (not folders and name in _FREE_FILES):
        return None
    if len(folders) == 1 and top in SPLITS:
        if is_scenario:
            return None
        if not _SCENARIO_LIKE.search(name):
            return f"only scenarios are allowed in {top}/", f"move it to {FIXTURES}/"
        stem = _SCENARIO_LIKE.sub("", name)
        message = f"the name of a scenario file must end in {SCENARIO_END}"
        return message, f"rename it to {top}/{stem}{SCENARIO_END}"
    if is_scenario:
        return "scenario outside of train/ and holdout/", f"move it to holdout/{name}"
    known = ", ".join([*_FREE_FILES, *(f"{split}/" for split in (*SPLITS, *_FREE_FOLDERS))])
    return "unknown file in a suite", f"remove it, or move it to {FIXTURES}/; known: {known}"

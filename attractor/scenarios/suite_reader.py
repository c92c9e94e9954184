"""Reads and validates the suite in a folder, and stores sealed copies, each named by its hash.

Whenever a copy is read, the hash of the copy is verified.
"""

import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error, make_private_folder, sync_folder, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.base.registry import Registry
from attractor.base.toml import InvalidToml, TomlMistake, TomlMistakes, parse_toml
from attractor.scenarios.check import Check, check_mistakes, check_registry
from attractor.scenarios.suite import (
    InvalidSuite,
    Scenario,
    Suite,
    SuiteChanged,
    SuiteSettings,
    mistakes_of,
)

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
    """A file of a suite, and the path of the file in the suite folder."""

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
FIXTURES = "fixtures"
SUITE_FILE = "suite.toml"
SCENARIO_FILES = "*.scenario.toml"
# The end of a file name that was probably meant for a scenario.
_SCENARIO_LIKE = re.compile(r"([._-]?scenarios?)?\.(toml|tml|tom)$|[._-]scenarios?$", re.IGNORECASE)

MOST_SUITE_BYTES = 1_000_000
"""The maximum size of a TOML file of a suite."""

_TOO_LARGE = "move large contents to separate files"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path) -> Suite:
    """Read and validate the suite in a folder."""
    _require_suite(folder)
    settings = _source(folder / SUITE_FILE).built(SuiteSettings)
    _refuse_misnamed(folder)
    kinds = check_registry()
    scenarios = [
        _scenario(file, split, kinds) for split in SPLITS for file in _files(folder / split)
    ]
    _refuse_duplicates([scenario.id for scenario in scenarios], "id", folder)
    _refuse_duplicates([scenario.story.strip() for scenario in scenarios], "story", folder)
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no held-out scenario",
            hint=f"write one in holdout/NAME.{SCENARIO_FILES[2:]}",
        )
    return Suite(settings=settings, scenarios=tuple(sorted(scenarios, key=lambda one: one.id)))


@dataclass(frozen=True)
class _Source:
    """A TOML file: text and parsed table."""

    file: Path
    text: str
    table: dict[str, Any]

    def built(self, model: type[M]) -> M:
        try:
            return model.model_validate(self.table)
        except ValidationError as error:
            raise self.error(mistakes_of(error, model, self.table)) from error

    def error(self, mistakes: Iterable[TomlMistake]) -> UsageError:
        found = TomlMistakes(self.text, str(self.file))
        found.extend(mistakes)
        return found.error(InvalidSuite)


def _require_suite(folder: Path) -> None:
    """Refuse a folder without a suite or with special files, before anything is read."""
    is_there = folder.is_dir()
    if not is_there or SUITE_FILE not in {one.path for one in list_suite_files(folder)}:
        raise InvalidSuite(
            f"missing file {folder / SUITE_FILE}", hint="a suite is a folder with a suite.toml"
        )


def _refuse_misnamed(folder: Path) -> None:
    """Refuse a file that looks like a scenario, but would not be read as one."""
    for one in list_suite_files(folder):
        *folders, name = PurePath(one.path).parts
        is_scenario = fnmatchcase(name, SCENARIO_FILES)
        is_in_split = len(folders) == 1 and folders[0] in SPLITS
        if is_scenario and not is_in_split:
            message, hint = "scenario outside of train/ and holdout/", f"move it to holdout/{name}"
        elif is_in_split and not is_scenario and _SCENARIO_LIKE.search(name):
            stem = _SCENARIO_LIKE.sub("", name)
            hint = f"rename it to {folders[0]}/{stem}.{SCENARIO_FILES[2:]}"
            message = f"the name of a scenario file must end in {SCENARIO_FILES[1:]}"
        else:
            continue
        raise InvalidSuite(f"{folder / one.path}: {message}", hint=hint)


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(SCENARIO_FILES))


def _scenario(file: Path, split: str, kinds: Registry[type[Check]]) -> Scenario:
    source = _source(file)
    if source.table.setdefault("split", split) != split:
        message = f"split = {source.table['split']!r} in a file of {split}/"
        raise source.error([TomlMistake(("split",), message, "move the file, or fix its split")])
    scenario = source.built(Scenario)
    if mistakes := list(check_mistakes(scenario, kinds)):
        raise source.error(mistakes)
    return scenario


def _source(file: Path) -> _Source:
    content = read_suite_file(file)
    if len(content) > MOST_SUITE_BYTES:
        raise InvalidSuite(f"{file} exceeds {MOST_SUITE_BYTES} bytes", hint=_TOO_LARGE)
    try:
        text = content.decode("utf-8")
        return _Source(file, text, parse_toml(text))
    except InvalidToml as error:
        raise InvalidSuite(error.at(str(file)), hint=error.hint) from error
    except UnicodeDecodeError as error:
        raise InvalidSuite(f"{file}: {error}", hint="save it as UTF-8") from error


def _refuse_duplicates(values: Sequence[str], field: str, folder: Path) -> None:
    duplicates = [value for value, count in Counter(values).items() if count > 1]
    if duplicates:
        raise InvalidSuite(
            f"{folder}: two scenarios have the same {field}: {duplicates[0][:60]!r}",
            hint="change one of them",
        )


OWNER_ONLY = 0o700
OWNER_READS = 0o600


@dataclass(frozen=True)
class SealedSuite:
    """A suite, and the hash of the suite's files."""

    suite: Suite
    seal: str
    folder: Path


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Validate a suite, and store a sealed copy of the suite folder."""
    read_suite(folder)
    seal = hash_of_folder(folder)
    copy = store / seal
    if not copy.exists():
        _copy_suite(folder, copy)
    return open_sealed(store, seal)


def open_sealed(store: Path, seal: str) -> SealedSuite:
    """Read a sealed suite, and verify the seal of the suite."""
    folder = store / seal
    if not folder.is_dir():
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} is missing in {store}", hint="register the suite again"
        )
    if _hash_of_sealed(folder) != seal:
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after sealing",
            hint="restore it from a backup, or register the suite as a new version",
        )
    return SealedSuite(read_suite(folder), seal, folder)


def hash_of_folder(folder: Path) -> str:
    """Return the hash of the paths and contents of all files in a folder."""
    hashes = {
        one.path: content_hash(read_suite_file(folder / one.path))
        for one in list_suite_files(folder)
    }
    return content_hash(canonical_json(dict(hashes)).encode())


def _hash_of_sealed(folder: Path) -> str:
    """Return the hash of a sealed copy, or "" if it contains invalid files."""
    try:
        return hash_of_folder(folder)
    except InvalidSuite:
        return ""


def _copy_suite(folder: Path, copy: Path) -> None:
    """Copy a suite folder, with a final rename, so that a crash leaves no incomplete copy."""
    make_private_folder(copy.parent)
    copy.parent.chmod(OWNER_ONLY)
    partial_copy = copy.parent / f".{copy.name}.{os.getpid()}"
    shutil.rmtree(partial_copy, ignore_errors=True)
    make_private_folder(partial_copy)
    for one in list_suite_files(folder):
        make_private_folder((partial_copy / one.path).parent)
        mode = OWNER_ONLY if one.is_executable else OWNER_READS
        write_whole(partial_copy / one.path, read_suite_file(folder / one.path), mode=mode)
    try:
        partial_copy.rename(copy)
    except OSError:
        # Another process stored the same content meanwhile.
        shutil.rmtree(partial_copy, ignore_errors=True)
        if not copy.is_dir():
            raise
    sync_folder(copy.parent)

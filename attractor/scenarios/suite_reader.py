"""Reads a suite's folder, or says in which file what is wrong.

Reads the files of a suite's folder: regular ones only, and none larger than people write.

What is no file would be read for ever or waited for, and a link may lead to what is nobody's suite.

Puts a copy of a suite away under its content hash, where no workspace and no agent can reach it.

The seal is the hash of every file's path and bytes. The same content is the same seal, and keeping
it again changes nothing. A sealed copy is checked against its hash every time it is read.
"""

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error, make_private_folder, sync_folder, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.base.registry import Registry
from attractor.base.toml_errors import InvalidToml, TomlMistake, TomlMistakes, parse_toml
from attractor.scenarios.check import check_registry, wrong_checks
from attractor.scenarios.errors import InvalidSuite, SuiteChanged, mistakes_of
from attractor.scenarios.evaluation import Check
from attractor.scenarios.suite import Scenario, Suite, SuiteSettings

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
        raise file_error("read", path, cause) from cause
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
        raise file_error("read", folder, cause) from cause


def _require_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = _NO_FILE.get(stat.S_IFMT(status.st_mode), "no file")
        raise InvalidSuite(f"{path} is {what}", hint="a suite holds files and folders only")
    if status.st_size > MOST_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> InvalidSuite:
    return InvalidSuite(f"{path} is larger than {MOST_BYTES // _MEBIBYTE} MiB", hint=_HINT)


SPLITS = ("train", "holdout")
SUITE_FILE = "suite.toml"
SCENARIO_FILES = "*.scenario.toml"

MOST_SUITE_BYTES = 1_000_000
"""How long a file of words may be; what is longer was not written by hand."""

_TOO_LARGE = "put what is large into a file of its own"

M = TypeVar("M", bound=BaseModel)


def read_suite(folder: Path) -> Suite:
    """Read a suite as it is written in a folder."""
    _require_suite(folder)
    settings = _source(folder / SUITE_FILE).built(SuiteSettings)
    kinds = check_registry()
    scenarios = [
        _scenario(file, split, kinds) for split in SPLITS for file in _files(folder / split)
    ]
    _refuse_twins([scenario.id for scenario in scenarios], "id", folder)
    _refuse_twins([scenario.story.strip() for scenario in scenarios], "story", folder)
    if not any(scenario.split == "holdout" for scenario in scenarios):
        raise InvalidSuite(
            f"{folder}: no scenario is held out",
            hint=f"write one as holdout/NAME.{SCENARIO_FILES[2:]}",
        )
    return Suite(settings=settings, scenarios=tuple(sorted(scenarios, key=lambda one: one.id)))


@dataclass(frozen=True)
class _Source:
    """A file as it is written, and what it says."""

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
    """Refuse a folder that is none, and what must not be read in it, before anything is read."""
    is_there = folder.is_dir()
    if not is_there or SUITE_FILE not in {one.path for one in files_of(folder)}:
        raise InvalidSuite(
            f"{folder / SUITE_FILE} is missing", hint="a suite is a folder with a suite.toml"
        )


def _files(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(SCENARIO_FILES))


def _scenario(file: Path, split: str, kinds: Registry[type[Check]]) -> Scenario:
    source = _source(file)
    if source.table.setdefault("split", split) != split:
        message = f"split = {source.table['split']!r}, but the file is in {split}/"
        raise source.error([TomlMistake(("split",), message, "move the file, or fix its split")])
    scenario = source.built(Scenario)
    if wrong := list(wrong_checks(scenario, kinds)):
        raise source.error(wrong)
    return scenario


def _source(file: Path) -> _Source:
    content = read_file(file)
    if len(content) > MOST_SUITE_BYTES:
        raise InvalidSuite(f"{file} is larger than {MOST_SUITE_BYTES} bytes", hint=_TOO_LARGE)
    try:
        text = content.decode("utf-8")
        return _Source(file, text, parse_toml(text))
    except InvalidToml as error:
        raise InvalidSuite(error.at(str(file)), hint=error.hint) from error
    except UnicodeDecodeError as error:
        raise InvalidSuite(f"{file}: {error}", hint="save it as UTF-8") from error


def _refuse_twins(values: Sequence[str], what: str, folder: Path) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise InvalidSuite(
            f"{folder}: two scenarios have the same {what}: {twice[0][:60]!r}",
            hint="a holdout's words must stand nowhere else",
        )


OWNER_ONLY = 0o700
OWNER_READS = 0o600


@dataclass(frozen=True)
class SealedSuite:
    """A suite and the hash of everything it was read from."""

    suite: Suite
    seal: str
    folder: Path


def seal_suite(folder: Path, store: Path) -> SealedSuite:
    """Check a suite's folder and keep a copy of it in the store."""
    read_suite(folder)
    seal = hash_of_folder(folder)
    kept = store / seal
    if not kept.exists():
        _copy_whole(folder, kept)
    return open_sealed(store, seal)


def open_sealed(store: Path, seal: str) -> SealedSuite:
    """Read a sealed suite, or say that it is not what was sealed."""
    folder = store / seal
    if not folder.is_dir():
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} is not in {store}", hint="register the suite again"
        )
    if _hash_of_sealed(folder) != seal:
        raise SuiteChanged(
            f"the sealed suite {seal[:12]} in {store} was changed after it was sealed",
            hint="bring it back from a copy, or register the suite as a new version",
        )
    return SealedSuite(read_suite(folder), seal, folder)


def hash_of_folder(folder: Path) -> str:
    """Return the hash of every file below a folder: its path and its bytes."""
    hashes = {one.path: content_hash(read_file(folder / one.path)) for one in files_of(folder)}
    return content_hash(canonical_json(dict(hashes)).encode())


def _hash_of_sealed(folder: Path) -> str:
    """Return the hash of a sealed copy; nothing when it holds what no suite may."""
    try:
        return hash_of_folder(folder)
    except InvalidSuite:
        return ""


def _copy_whole(folder: Path, kept: Path) -> None:
    """Copy beside the place and rename, so that a crash leaves no half of a suite."""
    make_private_folder(kept.parent)
    kept.parent.chmod(OWNER_ONLY)
    half = kept.parent / f".{kept.name}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    make_private_folder(half)
    for one in files_of(folder):
        make_private_folder((half / one.path).parent)
        mode = OWNER_ONLY if one.is_executable else OWNER_READS
        write_whole(half / one.path, read_file(folder / one.path), mode=mode)
    try:
        half.rename(kept)
    except OSError:
        # Somebody else kept the same content in the meantime.
        shutil.rmtree(half, ignore_errors=True)
        if not kept.is_dir():
            raise
    sync_folder(kept.parent)

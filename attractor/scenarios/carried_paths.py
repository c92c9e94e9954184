"""The carried paths of a project in trials: which trials get, their hashes, and hints about them.

A carried path is the person's own, not the candidate's. If a trial gets the program that the suite
judges from there, every candidate passes.
"""

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.files import FoundEntry, file_error, walk_paths, walk_tree
from attractor.base.json import content_hash, parse_object
from attractor.scenarios.suite import CommandStep, RequestStep, Scenario, Suite
from attractor.scenarios.suite_lint import SuiteFault
from attractor.workspaces.preparation import Preparation

_DEPENDENCIES = frozenset({".venv", "venv", "env", "node_modules", "vendor", "packages"})
"""The names of folders of dependencies, which trials get unless the suite lists others."""

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SEPARATOR = re.compile(r"[;&|\n]+")


def trial_preparation(wanted: Preparation, listed: Sequence[str] | None) -> Preparation:
    """Return a preparation with only the carried paths that trials get.

    `listed` is the list of the suite; without it, trials get folders of dependencies.
    """

    def kept(paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            path for path in paths if (_is_dependency(path) if listed is None else path in listed)
        )

    return replace(
        wanted, carry=kept(wanted.copied_paths), carry_read_only=kept(wanted.shown_paths)
    )


def paths_not_carried(wanted: Preparation, listed: Sequence[str] | None) -> Sequence[str]:
    """Return the carried paths that trials lack although the suite does not choose."""
    if listed is not None:
        return ()
    return [path for path in wanted.carried_paths if not _is_dependency(path)]


def describe_not_carried(path: str) -> str:
    """Return the words about a path that trials lack."""
    return f"{path} is not carried into trials: add it to [trials]"


@dataclass(frozen=True)
class CarriedFiles:
    """The files of a project that trials get: their paths, contents and states, as hashes."""

    project: Path
    paths: tuple[str, ...]
    content: str
    state: str

    def have_changed(self) -> bool:
        """Return whether the names, sizes or times of the files differ from before."""
        return _hash_files(self.project, self.paths, _state) != self.state


def read_carried(suite: Suite, wanted: Preparation, project: Path) -> CarriedFiles:
    """Read the files that trials of a suite get; without paths, the hash of contents is ""."""
    paths = trial_preparation(wanted, suite.settings.trials.carry).carried_paths
    state = _hash_files(project, paths, _state)
    content = _hash_files(project, paths, _content) if paths else ""
    return CarriedFiles(project, paths, content, state)


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PYTHON_CACHE = "__pycache__"
"""A folder to which Python writes whenever a person uses the project."""


def _state(_: FoundEntry, found: os.stat_result) -> object:
    return found.st_mode, found.st_size, found.st_mtime_ns


def _content(entry: FoundEntry, found: os.stat_result) -> object:
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(entry.name, dir_fd=entry.folder)
    if not stat.S_ISREG(found.st_mode):
        return stat.S_IFMT(found.st_mode)
    with os.fdopen(os.open(entry.name, _READ, dir_fd=entry.folder), "rb") as file:
        return found.st_mode & stat.S_IXUSR, hashlib.file_digest(file, "sha256").hexdigest()


def _hash_files(
    project: Path,
    paths: Sequence[str],
    describe: Callable[[FoundEntry, os.stat_result], object],
) -> str:
    """Return the hash of the names and descriptions of all files and links below paths."""
    files: dict[str, object] = {}
    for path in paths:
        for entry in walk_tree(project / path):
            if entry.is_folder or _PYTHON_CACHE in entry.parents:
                continue
            name = os.path.relpath(project / path / entry.path, project)
            try:
                files[name] = describe(entry, entry.status())
            except FileNotFoundError:  # removed meanwhile
                continue
            except OSError as cause:
                raise file_error("read", project / name, cause) from cause
    return content_hash(repr(sorted(files.items())).encode())


def carry_hints(suite: Suite, wanted: Preparation, project: Path) -> Iterator[SuiteFault]:
    """Yield hints about carried paths that trials lack, or that may replace the candidate."""
    listed = suite.settings.trials.carry
    for path in paths_not_carried(wanted, listed):
        remedy = "list all paths that trials need: carry = [...] in [trials] of suite.toml"
        yield _hint("not_carried", describe_not_carried(path), remedy)
    for path in listed or ():
        if path not in wanted.carried_paths:
            words = f"[trials] lists {path}, which neither settings nor profile carry"
            yield _hint("not_carried", words, "carry it in [workspace], or remove it from carry")
    for path in trial_preparation(wanted, listed).carried_paths:
        if not _is_dependency(path):
            yield from _started_programs(suite, path)
        elif file := _own_project(project, path):
            words = f"{path} contains the project itself ({file}), which may replace the candidate"
            yield _hint("carried_program", words, f"uninstall it; {_INSTALL}")


_INSTALL = "install the candidate in setup.run of the scenario"


def _started_programs(suite: Suite, path: str) -> Iterator[SuiteFault]:
    for scenario in suite.scenarios:
        if step := _step_from(scenario, path):
            words = f"step {step} of {scenario.id} starts programs of {path}"
            remedy = f"they are your folder's, not the candidate's; {_INSTALL}"
            yield _hint("carried_program", words, remedy, scenario.id)


def _hint(rule: str, words: str, remedy: str, scenario: str = "") -> SuiteFault:
    return SuiteFault(rule, words, remedy, scenario, is_hint=True)


def _is_dependency(path: str) -> bool:
    return PurePosixPath(path).name in _DEPENDENCIES


def _step_from(scenario: Scenario, path: str) -> str:
    """Return the first step that starts a program below a path, or whose PATH leads there."""
    for step in scenario.steps:
        if isinstance(step, RequestStep):
            continue
        is_command = isinstance(step, CommandStep)
        at, command = (step.cwd, step.run) if is_command else (".", step.service)
        places = step.env.get("PATH", "").split(":")
        for words in map(_words, _SEPARATOR.split(command)):
            while words and _ASSIGNMENT.match(words[0]) or words[:1] == ["export"]:
                name, _, value = words.pop(0).partition("=")
                places += value.split(":") if name == "PATH" else ()
            places += words[:1]
        if any(_is_at(os.path.normpath(f"{at}/{place}"), path) for place in places if place):
            return step.name
    return ""


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command, comments=True)
    except ValueError:  # a quote that another part of the line closes
        return command.split()


def _is_at(place: str, path: str) -> bool:
    relative = re.sub(r"^(\$PWD|\$\{PWD\}|\$\(pwd\))/", "", place.removeprefix("./"))
    return PurePosixPath(relative).is_relative_to(path)


def _own_project(project: Path, path: str) -> str:
    """Return the file by which a folder of dependencies contains the project itself, or ""."""
    top = project.resolve()
    for at, _, names in walk_paths(str(top / path)):
        for name in names:
            file = Path(at, name)
            with suppress(OSError, ValueError):
                if name == "direct_url.json":
                    record = parse_object(file.read_bytes()) or {}
                    url = urlsplit(str(record.get("url", "")))
                    places = [unquote(url.path)] if "dir_info" in record else []
                elif name.endswith(".pth"):
                    places = file.read_text("utf-8", "replace").splitlines()
                else:
                    continue
                for place in places:
                    found = Path(at, place).resolve()
                    if found.is_relative_to(top) and not found.is_relative_to(top / path):
                        return str(file.relative_to(top))
    return ""

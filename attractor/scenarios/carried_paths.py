"""The carried paths of a project in trials: which trials get, their hashes, and hints about them.

A carried path is the person's own, not the candidate's. If a trial gets the program that the suite
judges from there, every candidate passes.
"""

import hashlib
import json
import os
import re
import shlex
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.files import FoundEntry, file_error, walk_paths, walk_tree
from attractor.base.json import content_hash, parse_object
from attractor.base.patterns import late_pattern
from attractor.scenarios.suite import CommandStep, Scenario, ServiceStep, Suite
from attractor.scenarios.suite_lint import SuiteFault
from attractor.workspaces.preparation import PYTHON_CACHE, Preparation

_DEPENDENCIES = frozenset({".venv", "venv", "env", "node_modules", "vendor", "packages"})
"""The names of folders of dependencies, which trials get unless the suite lists others."""

_NPM_PACKAGE = late_pattern(r"(^|/)node_modules/(@[^/]+/)?[^/@][^/]*$")
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
class CarriedListing:
    """The carried files with a description of each, and the packages ("NAME VERSION") by folder."""

    files: Mapping[str, object]
    packages: Mapping[str, str]

    @property
    def content(self) -> str:
        """The hash of all files."""
        return content_hash(repr(sorted(self.files.items())).encode())

    def to_json(self) -> str:
        """Return the JSON text of the listing."""
        return json.dumps({"files": dict(self.files), "packages": dict(self.packages)})


def listing_from_json(text: bytes) -> CarriedListing:
    """Read a listing from its JSON text."""
    record: dict[str, dict[str, Any]] = json.loads(text)
    described = record["files"].items()
    files = {
        name: tuple(cast("list[Any]", words)) if isinstance(words, list) else words
        for name, words in described
    }
    return CarriedListing(files, record["packages"])


@dataclass(frozen=True)
class CarriedFiles:
    """The files of a project that trials get: paths, contents, and the hash of their states."""

    project: Path
    paths: tuple[str, ...]
    listing: CarriedListing
    state: str

    @property
    def content(self) -> str:
        """The hash of the contents; without paths, ""."""
        return self.listing.content if self.paths else ""

    def have_changed(self) -> bool:
        """Return whether the names, sizes or times of the files differ from before."""
        return _hash_states(self.project, self.paths) != self.state


def read_carried(suite: Suite, wanted: Preparation, project: Path) -> CarriedFiles:
    """Read the files that trials of a suite get."""
    paths = trial_preparation(wanted, suite.settings.trials.carry).carried_paths
    state = _hash_states(project, paths)
    files = _list_files(project, paths, _content)
    return CarriedFiles(project, paths, CarriedListing(files, _packages(project, files)), state)


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def variables_of_trials(carried: Sequence[str]) -> dict[str, str]:
    """Return the variables with which Python reads no compiled files of carried paths."""
    return {"PYTHONPYCACHEPREFIX": os.devnull} if carried else {}


def _state(_: FoundEntry, found: os.stat_result) -> object:
    # A program can set the time of a change, but not that of the change of this time.
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(entry: FoundEntry, found: os.stat_result) -> object:
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(entry.name, dir_fd=entry.folder)
    if not stat.S_ISREG(found.st_mode):
        return stat.S_IFMT(found.st_mode)
    with os.fdopen(os.open(entry.name, _READ, dir_fd=entry.folder), "rb") as file:
        return found.st_mode & stat.S_IXUSR, hashlib.file_digest(file, "sha256").hexdigest()


def _hash_states(project: Path, paths: Sequence[str]) -> str:
    states = _list_files(project, paths, _state)
    return content_hash(repr(sorted(states.items())).encode())


def _list_files(
    project: Path,
    paths: Sequence[str],
    describe: Callable[[FoundEntry, os.stat_result], object],
) -> Mapping[str, object]:
    """Return a description of all files and links below paths, by their names."""
    files: dict[str, object] = {}
    for path in paths:
        for entry in walk_tree(project / path):
            if entry.is_folder or PYTHON_CACHE in entry.parents:
                continue
            name = os.path.relpath(project / path / entry.path, project)
            try:
                files[name] = describe(entry, entry.status())
            except FileNotFoundError:  # removed meanwhile
                continue
            except OSError as cause:
                raise file_error("read", project / name, cause) from cause
    return files


def _packages(project: Path, files: Mapping[str, object]) -> Mapping[str, str]:
    """Return the packages of npm and pip among files, by the folders and files that they own."""
    packages: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        with suppress(OSError, ValueError):
            if path.name == "package.json" and _NPM_PACKAGE.search(str(path.parent)):
                record = parse_object((project / name).read_bytes()) or {}
                packages[str(path.parent)] = f"{record.get('name')} {record.get('version')}"
            elif path.name == "RECORD" and path.parent.suffix == ".dist-info":
                package = " ".join(path.parent.name.removesuffix(".dist-info").rsplit("-", 1))
                for line in (project / name).read_text("utf-8").splitlines():
                    top = re.split("[/,]", line, maxsplit=1)[0]
                    packages[str(path.parent.parent / top)] = package
    return packages


def compare_listings(before: CarriedListing, after: CarriedListing) -> Sequence[str]:
    """Return the packages whose versions differ, and other files that differ, sorted."""
    changed = [
        name
        for name in before.files.keys() | after.files.keys()
        if before.files.get(name) != after.files.get(name)
    ]
    packages, files = Counter[str](), list[str]()
    for name in changed:
        old, new = (_package_of(name, listing.packages) for listing in (before, after))
        if old == new:
            files.append(name)
        else:
            packages[f"{old or 'none'} -> {new or 'none'}"] += 1
    named = [f"{package} ({number_of(count, 'file')})" for package, count in packages.items()]
    return [*sorted(named), *sorted(files)]


def changed_since_registration(changes: Sequence[str], *, most: int = 8) -> str:
    """Return a clause about changes of carried paths, with the first of them."""
    more = f" and {len(changes) - most} more" if len(changes) > most else ""
    return f"carried paths changed since the registration: {', '.join(changes[:most])}{more}"


def _package_of(name: str, packages: Mapping[str, str]) -> str:
    """Return the package that owns a file, or ""."""
    path = PurePosixPath(name)
    owners = (packages.get(str(place)) for place in (path, *path.parents))
    return next(filter(None, owners), "")


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
        if not isinstance(step, CommandStep | ServiceStep):
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

"""Chooses the environment of a run (a sandbox if possible), and explains missing commands."""

import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.environments.downloads import find_downloads
from attractor.environments.environment import (
    NO_VARIABLES,
    ExecutionEnvironment,
    Promises,
    sandboxed,
)
from attractor.environments.errors import (
    NO_PORTS,
    PORTS_HINT,
    NotSupported,
    SandboxNotStarted,
    SandboxUnavailable,
    SandboxWeakened,
)
from attractor.environments.isolation_check import check_isolation
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.orphan_processes import Guardian, can_find_orphans
from attractor.environments.sandbox.bubblewrap import (
    CACHE,
    HOME,
    BindMount,
    Interpreter,
    SandboxBounds,
    SandboxSettings,
)
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.sandbox.landlock import landlock_abi, require_landlock
from attractor.environments.sandbox.seccomp import REFUSED_FAMILIES

SANDBOXES = ("bubblewrap", "landlock")
"""The sandboxes, in the order in which `auto` tries them."""

KINDS = ("auto", *SANDBOXES, "none")

_SYSTEM_PYTHON = "/usr/bin/python3"
TESTED_BOUNDS = SandboxBounds(max_processes=8, max_memory_mb=50, max_open_files=100, max_file_mb=1)
"""Bounds that attempts exceed quickly; other values are enforced in the same way."""

_LACKS: Mapping[str, str] = {
    "hides_operator": "your folders may be visible",
    "own_network": "your network may be reachable",
    "own_processes": "your processes may be visible",
    "writes_only_workspace": "more than the workspace and the caches of the run may be writable",
    "refuses_system_calls": "keyrings and rarely used system calls may be reachable",
    "bounds_resources": "processes, memory, open files and file sizes may be unlimited",
    "hides_metadata": "metadata of your files may be read and changed",
}


MakeShowing = Callable[[Path, Sequence[BindMount]], ExecutionEnvironment]
"""Type of a function that makes the environment of a folder, with more paths shown read-only."""


@dataclass(frozen=True)
class EnvironmentChoice:
    """The chosen environment, its guarantees, and a sentence for the user.

    `make_showing` is None without bubblewrap, because mounts require a namespace. `settings` are
    those of its sandboxes; None without a sandbox.
    """

    kind: str
    promises: Promises
    sentence: str
    make: Callable[[Path], ExecutionEnvironment]
    make_showing: MakeShowing | None = None
    settings: SandboxSettings | None = None

    @property
    def has_ports(self) -> bool:
        """Whether commands have ports; without a sandbox, those of this machine."""
        return self.settings is None or self.promises.own_loopback

    def require_ports(self) -> None:
        """Raise NotSupported if commands have no ports."""
        if not self.has_ports:
            raise NotSupported(NO_PORTS, hint=PORTS_HINT)


async def choose_environment(
    kind: str,
    *,
    environ: Mapping[str, str],
    hide: Sequence[Path],
    read: Sequence[Path] = (),
    pass_env: Sequence[str] = (),
    env: Mapping[str, str] = NO_VARIABLES,
    downloads: Sequence[str] = (),
    scratch: Path | None = None,
    bounds: SandboxBounds | None = None,
    run_id: str = "",
    project: Path | None = None,
    covers: Sequence[str] = (),
    keeps: Sequence[str] = (),
    guardian: Guardian | None = None,
) -> EnvironmentChoice:
    """Choose by `auto`, `bubblewrap`, `landlock` or `none`, and check the isolation.

    `hide` are folders of the operator, `read` readable exceptions, `pass_env` names of variables,
    `env` more variables. A sandbox shows the downloads of the package managers `downloads`. Without
    bubblewrap, `run_id` marks the commands. If the workspace is the folder `project`, its names
    `covers` are hidden, and its files `keeps` read-only. `guardian` watches commands without a
    sandbox.
    """
    if kind not in KINDS:
        raise UnknownName("sandbox", kind, KINDS)
    if kind == "none":
        return _unguarded({**environ, **env}, "no sandbox was requested", run_id, guardian)
    python = find_interpreter()
    variables = sandboxed(environ, read=[*map(str, read)], passed=pass_env, home=HOME, env=env)
    for name in downloads:
        found = find_downloads(name, environ)
        read, variables = [*read, *found.folders], {**variables, **found.variables}
    settings = SandboxSettings(
        None,
        python,
        variables,
        read=tuple(read),
        hide=tuple(hide),
        bounds=bounds or SandboxBounds(),
        run_id=run_id,
        project=project,
        covers=tuple(covers),
        keeps=tuple(keeps),
    )

    test = partial(_test, scratch=scratch)
    unavailable: list[str] = []
    for name in SANDBOXES if kind == "auto" else [kind]:
        choose = _bubblewrap if name == "bubblewrap" else _landlock
        try:
            return await choose(settings, environ, test, "; ".join(unavailable))
        # Other failures may be temporary, and must not disable the sandbox.
        except SandboxUnavailable as error:
            if kind == name:
                raise
            unavailable.append(error.message)
    return _unguarded({**environ, **env}, "; ".join(unavailable), run_id, guardian)


async def _test(settings: SandboxSettings, *, scratch: Path | None) -> Promises:
    tested = replace(settings, bounds=TESTED_BOUNDS)
    return await check_isolation(
        lambda folder: SandboxedExecutionEnvironment(folder, tested),
        python=settings.python.program,
        hide=settings.hide,
        read=[*settings.read, *settings.python.needs],
        scratch=scratch,
        families=() if settings.bubblewrap else REFUSED_FAMILIES,
    )


def with_repository(choice: EnvironmentChoice, folder: Path) -> EnvironmentChoice:
    """Return a choice of a sandbox whose commands in the project use another repository."""
    assert choice.settings
    return _remade(choice, replace(choice.settings, repository=folder))


def with_read_only(choice: EnvironmentChoice) -> EnvironmentChoice:
    """Return a choice of a sandbox whose commands cannot change the workspace."""
    if choice.settings is None:
        raise SandboxUnavailable(
            "without a sandbox, nothing keeps commands from changing files",
            hint="install bubblewrap (Debian: apt-get install bubblewrap)",
        )
    return _remade(choice, replace(choice.settings, read_only=True))


def with_network(choice: EnvironmentChoice) -> EnvironmentChoice:
    """Return a choice of a sandbox whose commands have the network of this machine."""
    if choice.settings is None:
        return choice
    if not choice.settings.bubblewrap:
        raise SandboxUnavailable(
            "only bubblewrap can open the network of its commands",
            hint="install bubblewrap (Debian: apt-get install bubblewrap)",
        )
    promises = replace(choice.promises, own_network=False)
    return _remade(replace(choice, promises=promises), replace(choice.settings, opens_network=True))


def _remade(choice: EnvironmentChoice, settings: SandboxSettings) -> EnvironmentChoice:
    remade = _in_bubblewrap if settings.bubblewrap else _in_landlock
    return remade(settings, choice.promises, choice.sentence)


def with_cache(
    choice: EnvironmentChoice, cache: Path, variables: Mapping[str, str]
) -> EnvironmentChoice:
    """Return a choice whose sandboxes can write a cache folder.

    `variables` are the folders in it, by variable. Without a sandbox, commands use the caches of
    the operator.
    """
    if choice.settings is None:
        return choice
    place = CACHE if choice.settings.bubblewrap else str(cache)
    named = {name: f"{place}/{folder}" for name, folder in variables.items()}
    named = {**choice.settings.variables, **named}
    return _remade(choice, replace(choice.settings, cache=cache, variables=named))


def describe_lacks(promises: Promises) -> str:
    """Return what may leak, or "" if all is guaranteed."""
    return ", ".join(words for name, words in _LACKS.items() if not getattr(promises, name))


def require_promised(promised: Promises, choice: EnvironmentChoice) -> None:
    """Raise SandboxWeakened if a promised guarantee is missing."""
    kept = asdict(choice.promises)
    words = {**_LACKS, "own_loopback": NO_PORTS}
    lacks = [words[name] for name, given in asdict(promised).items() if given and not kept[name]]
    if lacks:
        raise SandboxWeakened(
            f"the sandbox guarantees less than at the start of the run: {', '.join(lacks)}"
        )


def find_interpreter() -> Interpreter:
    """Return the system's Python, otherwise the Python of this process with its folder."""
    if os.access(_SYSTEM_PYTHON, os.X_OK):
        return Interpreter(_SYSTEM_PYTHON)
    return Interpreter(str(Path(sys.executable).resolve()), (Path(sys.base_prefix),))


_Test = Callable[[SandboxSettings], Awaitable[Promises]]


async def _bubblewrap(
    settings: SandboxSettings, environ: Mapping[str, str], test: _Test, _: str
) -> EnvironmentChoice:
    program = shutil.which("bwrap", path=environ.get("PATH", ""))
    if not program:
        raise SandboxUnavailable(
            "no bwrap on PATH",
            hint="install bubblewrap (Debian: apt-get install bubblewrap); "
            "or start a new run with --sandbox none",
        )
    settings = replace(settings, bubblewrap=program)
    try:
        strict = replace(settings, forbids_namespaces=True)
        promises, settings = await test(strict), strict
    except SandboxNotStarted:  # an older bubblewrap, or one that is installed setuid
        promises = await test(settings)

    words = "only the workspace is visible, without a network"
    sentence = _sentence("bubblewrap", promises, words)
    if settings.project and (settings.project / ".git").is_dir():
        sentence += " Git's history in the project is readable, also that of hidden folders."
    return _in_bubblewrap(settings, promises, sentence)


def _in_bubblewrap(
    settings: SandboxSettings, promises: Promises, sentence: str
) -> EnvironmentChoice:
    def make(folder: Path, mounts: Sequence[BindMount] = ()) -> ExecutionEnvironment:
        return SandboxedExecutionEnvironment(folder, settings, promises=promises, mounts=mounts)

    return EnvironmentChoice("bubblewrap", promises, sentence, make, make, settings)


async def _landlock(
    settings: SandboxSettings, _: Mapping[str, str], test: _Test, unavailable: str
) -> EnvironmentChoice:
    require_landlock(landlock_abi())
    promises = await test(settings)
    name = f"Landlock, not bubblewrap: {unavailable}" if unavailable else "Landlock"
    sentence = _sentence(name, promises)
    if settings.project:
        sentence += (
            " Records of runs and Git's configuration in the project are writable, scenarios are "
            "readable."
        )
    if not promises.own_loopback:
        sentence += f" Without ports: {NO_PORTS}; {PORTS_HINT}."
    return _in_landlock(settings, promises, sentence)


def _in_landlock(settings: SandboxSettings, promises: Promises, sentence: str) -> EnvironmentChoice:
    def make(folder: Path) -> ExecutionEnvironment:
        return SandboxedExecutionEnvironment(folder, settings, promises=promises)

    return EnvironmentChoice("landlock", promises, sentence, make, settings=settings)


def _unguarded(
    environ: Mapping[str, str], why: str, run_id: str, guardian: Guardian | None
) -> EnvironmentChoice:
    guardian = guardian or Guardian()

    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=environ, run_id=run_id, guardian=guardian)

    left_over = "Processes left over are not killed."
    if can_find_orphans():
        left_over = (
            "Processes left over are killed, except for hidden processes and processes on other "
            "machines."
        )
    sentence = f"Tools run without a sandbox, with your rights on this machine: {why}. {left_over}"
    return EnvironmentChoice("none", Promises(), sentence, make)


def _sentence(name: str, promises: Promises, otherwise: str = "") -> str:
    if lacks := describe_lacks(promises):
        return f"Tools run in a sandbox ({name}) that may leak: {lacks}."
    return f"Tools run in a sandbox ({name}): {otherwise}."

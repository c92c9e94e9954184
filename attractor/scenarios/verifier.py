"""Runs verifiers and probes: programs in `checks/` of a suite that examine a candidate.

A probe runs while the services of the trial run, also in an environment of its own, without a copy
of the tree: it reaches their ports, and nothing else.

A verifier runs after all processes of the trial ended, in an environment of its own. Its working
folder contains only `checks/`, so nothing of the candidate is on its PATH or on a path of imports.
The copy lies in a second folder. The names of both are random and new, so that no file of the
candidate can name a file of the verifier. Interpreters and Git load nothing from the folder that
they are started in, because a verifier may enter the copy.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.patterns import late_pattern
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.candidate_tree import copy_tree
from attractor.scenarios.check import EARLY_END, CheckResult, Probe, Verification, Verify
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.services import Services
from attractor.scenarios.suite import PROBE, base_url_variable
from attractor.scenarios.suite_files import CHECKS
from attractor.workspaces.folders import borrowed_folder
from attractor.workspaces.git.files import in_thread

CANDIDATE_VARIABLE = "CANDIDATE"
"""The variable with the path of the copy of the candidate's tree."""
_FIRST_FREE_PORT, _LAST_PORT = 1024, 65535


def make_verify(
    candidate: Path,
    suite_folder: Path,
    make_environment: Callable[[Path], ExecutionEnvironment],
    trial_timeout: timedelta,
    *,
    without: Collection[str] = (),
) -> Verify:
    """Return a function that runs a command with a copy of the tree `candidate`.

    `without` are paths that the copy lacks.
    """

    async def verify(command: str, timeout: timedelta | None) -> Verification:
        with borrowed_folder(candidate.parent) as folder:
            own, copy = secrets.token_hex(8), secrets.token_hex(8)
            await asyncio.to_thread(shutil.copytree, suite_folder / CHECKS, folder / own / CHECKS)
            copying = partial(copy_tree, within=trial_timeout, without=without)
            left_out = await in_thread(partial(copying, candidate, folder / copy))
            async with started(make_environment(folder)) as environment:
                top = environment.working_directory()
                result = await environment.exec_command(
                    command,
                    timeout_ms=round((timeout or trial_timeout).total_seconds() * 1000),
                    working_dir=own,
                    env_vars={
                        **_variables(top, folder / own),
                        CANDIDATE_VARIABLE: f"{top}/{copy}",
                    },
                )
                return Verification(result, left_out)

    return verify


def make_probe(
    candidate: Path,
    suite_folder: Path,
    make_environment: Callable[[Path], ExecutionEnvironment],
    trial_timeout: timedelta,
    services: Sequence[Services],
    variables: Mapping[str, str],
) -> Probe:
    """Return a function that runs a command beside services: the candidate's, and others.

    `variables` has what requests have taken so far.
    """

    async def probe(command: str, timeout: timedelta | None) -> ExecResult:
        with borrowed_folder(candidate.parent) as folder:
            own = secrets.token_hex(8)
            await asyncio.to_thread(shutil.copytree, suite_folder / CHECKS, folder / own / CHECKS)
            async with started(make_environment(folder)) as room, AsyncExitStack() as ports:
                found, behind = _ports(services)
                for inside, (environment, port) in behind.items():
                    address = await ports.enter_async_context(environment.reach(port))
                    await ports.enter_async_context(room.offer(inside, address))
                return await room.exec_command(
                    command,
                    timeout_ms=round((timeout or trial_timeout).total_seconds() * 1000),
                    working_dir=own,
                    env_vars={
                        **variables,
                        **_variables(room.working_directory(), folder / own),
                        **_base_urls(found),
                    },
                )

    return probe


def _ports(
    services: Sequence[Services],
) -> tuple[dict[str, int], dict[int, tuple[ExecutionEnvironment, int]]]:
    """Return the port of each service in the sandbox of a probe, and what is behind each port.

    Two versions may listen on one port, each in its sandbox: the later one gets the next free port.
    """
    found: dict[str, int] = {}
    behind: dict[int, tuple[ExecutionEnvironment, int]] = {}
    for one in services:
        for name, port in one.ports.items():
            place = (one.environment, port)
            free = chain(range(port, _LAST_PORT + 1), range(_FIRST_FREE_PORT, port))
            found[name] = next(
                number for number in free if behind.setdefault(number, place) == place
            )
    return found, behind


def _base_urls(services: Mapping[str, int]) -> dict[str, str]:
    urls = {name: f"http://127.0.0.1:{port}" for name, port in services.items()}
    first = {"BASE_URL": next(iter(urls.values()))} if urls else {}
    return first | {base_url_variable(name): url for name, url in urls.items()}


_NOT_EXECUTED = (126, 127)
"""The exit statuses of a shell for a program that is missing or cannot be executed."""
_LATE = "exceeded its time limit"
_HANGING = late_pattern(rf"\bprobe (\S+) {_LATE}")


def program_verdict(program: str, result: ExecResult, noun: str = "") -> tuple[bool, str]:
    """Return whether a program of the suite passed, and the reason: its last line of output."""
    if result.exit_code in _NOT_EXECUTED and not result.timed_out:
        raise InvalidSuite(
            f"{CHECKS}/{program} was not executed: {result.stderr.strip()}",
            hint="check its first line, such as #!/usr/bin/env python3",
        )
    lines = (result.stdout.strip() or result.stderr.strip()).splitlines()
    ended = _LATE if result.timed_out else f"ended with {result.exit_code}"
    reason = f"{noun}{program} {ended}" + (f": {lines[-1]}" if lines else "")
    return result.exit_code == 0 and not result.timed_out, reason


def hanging_probe(check: CheckResult) -> str:
    """Return the program of the probe that exceeded its time limit, or ""."""
    found = _HANGING.search(check.reason) if check.kind in (PROBE, EARLY_END) else None
    return found[1] if found and not check.passed else ""


_GIT_SETTINGS = {
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
}
_EMPTY = (
    *("PYTHONSTARTUP", "PYTHONHOME", "NODE_PATH", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS"),
    *("PERL5LIB", "PERL5OPT", "RUBYLIB", "RUBYOPT", "LUA_INIT", "BASH_ENV", "ENV"),
)


def _variables(top: str, own: Path) -> dict[str, str]:
    """Return the variables of a program: only folders of `checks/` are on paths of imports."""
    # Python does not even search the folder of a script then.
    modules = sorted({file.parent.relative_to(own.parent) for file in own.rglob("*.py")})
    checks = f"{top}/{own.name}/{CHECKS}"
    variables = dict.fromkeys(_EMPTY, "") | {
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": ":".join(f"{top}/{folder}" for folder in modules),
        "CLASSPATH": checks,
        "GIT_CONFIG_COUNT": str(len(_GIT_SETTINGS)),
    }
    for number, (name, value) in enumerate(_GIT_SETTINGS.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


@asynccontextmanager
async def separate_environment(
    candidate: Path, make_environment: Callable[[Path], ExecutionEnvironment]
) -> AsyncGenerator[ExecutionEnvironment]:
    """Yield an environment in a new folder beside the tree `candidate`."""
    with borrowed_folder(candidate.parent) as folder:
        async with started(make_environment(folder)) as environment:
            yield environment


@asynccontextmanager
async def started(environment: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    """Start an environment, and clean it up at the end."""
    await environment.initialize()
    try:
        yield environment
    finally:
        await environment.cleanup()

"""Runs verifiers: programs in `checks/` of a suite that examine a copy of the candidate's tree.

A verifier runs after all processes of the trial ended, in an environment of its own. Its working
folder contains only `checks/`, so nothing of the candidate is on its PATH or on a path of imports.
The copy lies in a second folder. The names of both are random and new, so that no file of the
candidate can name a file of the verifier. Interpreters and Git load nothing from the folder that
they are started in, because a verifier may enter the copy.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.candidate_tree import copy_tree
from attractor.scenarios.check import Verification, Verify
from attractor.scenarios.suite_files import CHECKS
from attractor.workspaces.folders import borrowed_folder
from attractor.workspaces.git.files import in_thread

CANDIDATE_VARIABLE = "CANDIDATE"
"""The variable with the path of the copy of the candidate's tree."""


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
                result = await environment.exec_command(
                    command,
                    timeout_ms=round((timeout or trial_timeout).total_seconds() * 1000),
                    working_dir=own,
                    env_vars=_variables(environment.working_directory(), folder / own, copy),
                )
                return Verification(result, left_out)

    return verify


_GIT_SETTINGS = {
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
}
_EMPTY = (
    *("PYTHONSTARTUP", "PYTHONHOME", "NODE_PATH", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS"),
    *("PERL5LIB", "PERL5OPT", "RUBYLIB", "RUBYOPT", "LUA_INIT", "BASH_ENV", "ENV"),
)


def _variables(top: str, own: Path, copy: str) -> dict[str, str]:
    """Return the variables of a verifier: only folders of `checks/` are on paths of imports."""
    # Python does not even search the folder of a script then.
    modules = sorted({file.parent.relative_to(own.parent) for file in own.rglob("*.py")})
    checks = f"{top}/{own.name}/{CHECKS}"
    variables = dict.fromkeys(_EMPTY, "") | {
        CANDIDATE_VARIABLE: f"{top}/{copy}",
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

"""Runs verifiers: programs in `checks/` of a suite that examine a copy of the candidate's tree.

A verifier runs after all processes of the trial ended, in an environment of its own. Its working
folder contains only `checks/` and `candidate/`, so nothing of the candidate is on its PATH or on a
path of imports.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.candidate_tree import copy_tree
from attractor.scenarios.check import Verify
from attractor.scenarios.suite_files import CHECKS
from attractor.workspaces.folders import borrowed_folder

_CANDIDATE = "candidate"
CANDIDATE_VARIABLE = "CANDIDATE"
"""The variable with the path of the candidate's tree."""


def make_verify(
    candidate: Path,
    suite_folder: Path,
    make_environment: Callable[[Path], ExecutionEnvironment],
) -> Verify:
    """Return a function that runs a command beside a copy of the tree `candidate`."""

    async def verify(command: str, timeout: timedelta) -> ExecResult:
        with borrowed_folder(candidate.parent) as folder:
            await asyncio.to_thread(shutil.copytree, suite_folder / CHECKS, folder / CHECKS)
            await asyncio.to_thread(copy_tree, candidate, folder / _CANDIDATE)
            async with _running(make_environment(folder)) as environment:
                path = f"{environment.working_directory()}/{_CANDIDATE}"
                return await environment.exec_command(
                    command,
                    timeout_ms=round(timeout.total_seconds() * 1000),
                    env_vars={CANDIDATE_VARIABLE: path},
                )

    return verify


@asynccontextmanager
async def separate_environment(
    candidate: Path, make_environment: Callable[[Path], ExecutionEnvironment]
) -> AsyncGenerator[ExecutionEnvironment]:
    """Yield an environment in a new folder beside the tree `candidate`."""
    with borrowed_folder(candidate.parent) as folder:
        async with _running(make_environment(folder)) as environment:
            yield environment


@asynccontextmanager
async def _running(environment: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    await environment.initialize()
    try:
        yield environment
    finally:
        await environment.cleanup()

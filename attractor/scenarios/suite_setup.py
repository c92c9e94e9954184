"""Setups: the commands of a scenario before its steps, and of a suite before all trials.

Where sandboxes show each folder at the same path, and end all their processes, the setup of a suite
is executed once, and trials get copies of what it left. Elsewhere each trial executes it.
"""

import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.processes import ExecResult
from attractor.base.toml import printable
from attractor.engine.stage.command_output import find_failure
from attractor.engine.truncation import shorten
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.missing_program import missing_command
from attractor.environments.selection import EnvironmentChoice
from attractor.scenarios.candidate_tree import copy_left, hash_tree
from attractor.scenarios.carried_paths import variables_of_trials
from attractor.scenarios.suite import Suite, SuiteSetup
from attractor.workspaces.git.files import in_thread

_LONGEST_LINE = 300
_GIT = ".git"
_TREE, _REPOSITORY = "tree", "git"


@dataclass(frozen=True)
class SetupResult:
    """The result of the setup of a suite: the hash of what it left, or the reason of its failure.

    `missing` is the program that was not found, if that is the reason. `left_out` are files that
    trials do not get. `starts` counts the processes that executed it.
    """

    tree: str = ""
    failure: str = ""
    missing: str = ""
    left_out: int = 0
    starts: int = 1

    def sentences(self) -> Iterator[str]:
        """Yield sentences for the gate."""
        if self.failure:
            yield f"the setup of the suite failed, so all trials failed: {self.failure}"
        else:
            yield (
                f"built once ({self.tree[:12]}), trials share it: they do not show whether it "
                "builds every time"
            )
        if self.left_out:
            yield f"{number_of(self.left_out, 'special or unreadable file')} of the build left out"
        if self.starts > 1:
            yield f"the setup of the suite was started {self.starts} times: its process died"


def is_set_up_once(suite: Suite, sandbox: EnvironmentChoice) -> bool:
    """Return whether the setup of a suite is executed once, and not in each trial."""
    return bool(suite.settings.setup.run) and sandbox.make_showing is not None


@dataclass(frozen=True)
class FailedCommand:
    """A failed command of a setup: its number, its words, and its result."""

    number: int
    command: str
    result: ExecResult

    @property
    def missing(self) -> str:
        """The program that was not found, or ""."""
        return missing_command(self.result).partition(": ")[2]

    def __str__(self) -> str:
        code = self.result.exit_code
        status = "exceeded its time limit" if self.result.timed_out else f"ended with {code}"
        words = f"setup.run[{self.number}] {status}"
        found = find_failure(self.result.stdout, self.result.stderr)
        reason = printable(found.words) if found else ""
        # The last line of make does not name the program.
        missing = missing_command(self.result) if self.missing not in reason else ""
        return ": ".join(filter(None, (words, missing, reason)))


async def run_commands(
    commands: Sequence[str], execute: Callable[[str], Awaitable[ExecResult]]
) -> FailedCommand | None:
    """Execute commands up to the first that fails; return it, or None."""
    for number, command in enumerate(commands):
        result = await execute(command)
        if result.exit_code != 0:
            return FailedCommand(number, command, result)
    return None


async def run_suite_setup(
    setup: SuiteSetup, environment: ExecutionEnvironment, *, carried: Sequence[str]
) -> FailedCommand | None:
    """Execute the setup of a suite in an environment with carried paths."""
    execute = partial(
        environment.exec_command,
        timeout_ms=round(setup.timeout.total_seconds() * 1000),
        env_vars=variables_of_trials(carried),
    )
    return await run_commands(setup.run, execute)


def keep_repository(folder: Path, kept: Path) -> None:
    """Keep the `.git` of an exported tree, before the candidate's code can change it."""
    if (folder / _GIT).is_dir():
        shutil.copytree(folder / _GIT, kept / _REPOSITORY, symlinks=True)


async def keep_left(folder: Path, kept: Path, setup: SuiteSetup) -> SetupResult:
    """Keep what a setup left in a folder."""
    copying = partial(copy_left, folder, kept / _TREE, within=setup.timeout)
    left_out = await in_thread(copying)
    return SetupResult(await hash_kept(kept, setup), left_out=left_out)


async def hash_kept(kept: Path, setup: SuiteSetup) -> str:
    """Return the hash of what a setup left."""
    return await in_thread(partial(hash_tree, kept / _TREE, within=setup.timeout))


async def copy_kept(kept: Path, setup: SuiteSetup, folder: Path) -> None:
    """Copy what a setup left into the folder of a trial, with the `.git` of the exported tree."""
    await in_thread(partial(copy_left, kept / _TREE, folder, within=setup.timeout))
    if (kept / _REPOSITORY).is_dir():
        copying = partial(shutil.copytree, kept / _REPOSITORY, folder / _GIT, symlinks=True)
        await in_thread(copying)


def last_line(output: str) -> str:
    """Return the last line of an output, shortened."""
    lines = output.strip().splitlines()
    return shorten(printable(lines[-1]), _LONGEST_LINE) if lines else ""

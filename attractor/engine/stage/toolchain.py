"""Programs of toolchains that a command calls, and the versions that they say in an environment."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.processes import ExecResult
from attractor.engine.stage.command_output import find_failure
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.rules.program_known import called_programs

_NAMES = """
cargo rustc go node npm python3 java mvn gradle gcc clang make ruby php dotnet deno bun
"""
TOOLCHAIN = frozenset(_NAMES.split())
"""The programs that are asked for their version."""

PATIENCE_MS = 10_000

# The programs that have no option `--version`, or not in each version.
_ASKED_OTHERWISE: Mapping[str, str] = {
    "ffmpeg": "-version",
    "go": "version",
    "helm": "version",
    "java": "-version",
    "kubectl": "version --client",
    "openssl": "version",
    "ssh": "-V",
}
# The first number with a dot, else the first number: `This is perl 5, ... (v5.36.0)`.
_NUMBERS = (re.compile(r"\d{1,9}(?:\.\d{1,9})+"), re.compile(r"\d{1,9}"))
_LONGEST_ANSWER = 4000
# The folder of the program without links, its file without links, and the working folder.
_LOCATE = (
    'path=$(type -P {name}) && test -x "$path" && printf \'%s\\n\' "$path" '
    '"$(readlink -f "${{path%/*}}")" "$(readlink -f "$path")" "$(pwd -P)"'
)


@dataclass(frozen=True)
class ProgramAnswer:
    """The answer of a program that was asked for its version: the version, or what it `said`.

    `place` is its path; "" if it is not on the PATH.
    """

    name: str
    place: str = ""
    version: str = ""
    said: str = ""


def toolchain_programs(command: str) -> list[str]:
    """Return the programs of the table that a shell command calls, in order."""
    return [one for one in called_programs(command) if one in TOOLCHAIN]


def version_question(name: str) -> str:
    """Return the command that makes a program print its version."""
    return f"{name} {_ASKED_OTHERWISE.get(name, '--version')}"


def find_version(result: ExecResult) -> str:
    """Return the version in the answer of a program, or ""."""
    if result.timed_out or result.exit_code:
        return ""
    matches = (numbers.search(result.output[:_LONGEST_ANSWER]) for numbers in _NUMBERS)
    return next((found[0] for found in matches if found), "")


async def ask_versions(
    names: Sequence[str], environment: ExecutionEnvironment, *, project: Path | None
) -> list[ProgramAnswer]:
    """Ask programs for their versions, at the same time.

    Programs below the project or the working folder are left out and never started.
    """
    asked = await asyncio.gather(*(_ask_version(name, environment, project) for name in names))
    return [one for one in asked if one]


async def _ask_version(
    name: str, environment: ExecutionEnvironment, project: Path | None
) -> ProgramAnswer | None:
    located = await environment.exec_command(_LOCATE.format(name=name), timeout_ms=PATIENCE_MS)
    places = [*map(Path, located.stdout.splitlines())]
    if located.exit_code or len(places) != len(("path", "folder", "file", "working folder")):
        return ProgramAnswer(name)
    path, *real, working = places
    own = [working, *([project, project.resolve()] if project else [])]
    if not path.is_absolute() or any(one.is_relative_to(top) for one in real for top in own):
        return None
    result = await environment.exec_command(version_question(name), timeout_ms=PATIENCE_MS)
    if version := find_version(result):
        return ProgramAnswer(name, str(path), version)
    # Files of the project, such as rust-toolchain.toml, may choose a version that does not start.
    again = await environment.exec_command(
        f"cd / && {version_question(name)}", timeout_ms=PATIENCE_MS
    )
    return ProgramAnswer(name, str(path), find_version(again), _words(result))


def _words(result: ExecResult) -> str:
    if result.timed_out:
        return f"no answer within {PATIENCE_MS // 1000} seconds"
    found = find_failure(result.stdout, result.stderr)
    return found.words if found else "no output"


def sandbox_lines(program: Path | None, *, is_visible: bool) -> str:
    """Return the lines of a profile with which a program of this machine works in a sandbox."""
    if program and program.resolve().name == "rustup":
        # Not the whole .cargo, which may contain a token. In a sandbox, HOME is another folder.
        return f'read = ["{program.parent}", "~/.rustup"] and env = {{ RUSTUP_HOME = "~/.rustup" }}'
    if program is None or is_visible:
        return "the folders (read) and variables (env) that it needs"
    return f'read = ["{program.parent.parent if program.parent.name == "bin" else program.parent}"]'

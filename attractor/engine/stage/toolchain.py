"""Programs of toolchains that a command calls, and the versions that they say in an environment."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.base.processes import ExecResult
from attractor.engine.stage.command_output import find_failure
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.missing_program import missing_command
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
_NUMBERS = (late_pattern(r"\d{1,9}(?:\.\d{1,9})+"), late_pattern(r"\d{1,9}"))
_LONGEST_ANSWER = 4000
# A command that sets variables or changes the folder: the program may work there.
_PREPARES = late_pattern(r"(?:\A|[\s;&|({])(?:[A-Za-z_]\w*=|(?:cd|pushd)\s)")
# The folder of the program without links, its file without links, and the working folder.
_LOCATE = (
    'path=$(type -P {name}) && test -x "$path" && printf \'%s\\n\' "$path" '
    '"$(readlink -f "${{path%/*}}")" "$(readlink -f "$path")" "$(pwd -P)"'
)

# Folders in which `bin` lies beside files of other programs.
_SHARED = (".local", ".cargo", ".volta")
_HOMES = (Path("/"), Path("/home"), Path("/Users"))


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
    if result.timed_out:
        return ProgramAnswer(name, str(path), said=_words(result))
    # Files of the project, such as rust-toolchain.toml, may choose a version that does not start.
    again = await environment.exec_command(
        f"cd / && {version_question(name)}", timeout_ms=PATIENCE_MS
    )
    version = find_version(again)
    return ProgramAnswer(name, str(path), version, "" if version else _words(result))


def _words(result: ExecResult) -> str:
    if result.timed_out:
        return f"no answer within {PATIENCE_MS // 1000} seconds"
    # Lines of a stack trace are indented.
    lines = [line for line in result.stderr.split("\n") if not line[:1].isspace()]
    found = find_failure(result.stdout, "\n".join(lines))
    return found.words if found else "no output"


def installation_folder(program: Path) -> Path:
    """Return the folder that a sandbox must show so that a program of a user works."""
    place = program.parent
    is_whole_home = place.parent.parent in _HOMES
    is_shared = place.name != "bin" or place.parent.name in _SHARED or is_whole_home
    return place if is_shared else place.parent


def sandbox_lines(program: Path | None, *, is_visible: bool) -> str:
    """Return the lines of a profile with which a program of this machine works in a sandbox."""
    if program and program.resolve().name == "rustup":
        # Not the whole .cargo, which may contain a token. In a sandbox, HOME is another folder.
        return f'read = ["{program.parent}", "~/.rustup"] and env = {{ RUSTUP_HOME = "~/.rustup" }}'
    files = [program, program.resolve()] if program and not is_visible else []
    folders = [installation_folder(one) for one in files if not one.is_relative_to("/usr")]
    if not folders:
        return "the folders (read) and variables (env) that it needs"
    listed = ", ".join(f'"{one}"' for one in dict.fromkeys(folders))
    return f"read = [{listed}]"


async def find_broken_program(
    command: str,
    result: ExecResult,
    environment: ExecutionEnvironment,
    *,
    project: Path | None,
    search_path: str,
) -> str:
    """Return a sentence about a toolchain program that a failed command calls, and that does not
    say its version in the environment of the command; "" if the failure is the project's.

    `search_path` is the PATH of the operator: a program that is missing there too is the project's.
    """
    answers = await ask_versions(toolchain_programs(command), environment, project=project)
    is_sandboxed = environment.promises() != Promises()
    for answer in answers:
        program = _locate_outside(answer.name, search_path, project)
        if answer.version or not _explains(answer, command, result, program):
            continue
        question = version_question(answer.name)
        place = "the sandbox" if is_sandboxed else "the environment of the stage"
        fault = f"{answer.name} does not say its version in {place} ('{question}': {answer.said})"
        if not answer.place:
            fault = f"{answer.name} is not on the PATH of {place}, but it is {program} outside"
        remedy = f"repair it, so that '{question}' prints a version; then resume the run"
        if is_sandboxed:
            remedy = (
                f"add {sandbox_lines(program, is_visible=bool(answer.place))} to [sandbox] of the "
                "profile for a new run; for a variable alone, sandbox.env of attractor.toml is "
                "enough: then resume the run"
            )
        return f"{fault}; {remedy}"
    return ""


def _explains(
    answer: ProgramAnswer, command: str, result: ExecResult, program: Path | None
) -> bool:
    """Whether a program without a version can be the cause of a failure."""
    if not answer.place:
        is_missed = missing_command(result) == f"command not found: {answer.name}"
        return is_missed and program is not None
    is_repeated = answer.said.removesuffix("…") in " ".join(result.output.split())
    return is_repeated or not _PREPARES.search(command)


def _locate_outside(name: str, search_path: str, project: Path | None) -> Path | None:
    """Return the place of a program on the PATH of the operator; None below the project."""
    found = shutil.which(name, path=search_path) if search_path else None
    program = Path(found) if found else None
    return None if program and project and program.is_relative_to(project) else program

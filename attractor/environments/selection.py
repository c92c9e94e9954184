"""Chooses where tools run: in a sandbox when one can be had, else unguarded, and says so.

Says when a command ended because a program that it calls is not there.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.errors import LessGuarded, NotSupported, SandboxImpossible
from attractor.environments.isolation_check import prove
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.orphan_processes import can_be_known
from attractor.environments.sandbox.bubblewrap import HOME, BindMount, Interpreter, Walls
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.variables import sandboxed

KINDS = ("auto", "bubblewrap", "none")

_SYSTEM_PYTHON = "/usr/bin/python3"
_LACKS: Mapping[str, str] = {
    "hides_operator": "your folders may show",
    "own_network": "your network may be reached",
    "own_processes": "your processes may show",
    "writes_only_workspace": "more than the workspace may be written",
}


MakeShowing = Callable[[Path, Sequence[BindMount]], ExecutionEnvironment]
"""Makes an environment that works on a folder, and shows more in it, read-only."""


@dataclass(frozen=True)
class Choice:
    """Where tools run, what that was proved to guard, and a sentence that tells a person.

    Without a sandbox nothing can be shown in a folder that does not lie there.
    """

    kind: str
    promises: Promises
    sentence: str
    make: Callable[[Path], ExecutionEnvironment]
    make_showing: MakeShowing | None = None


async def choose_environment(
    kind: str,
    *,
    environ: Mapping[str, str],
    hide: Sequence[Path],
    read: Sequence[Path] = (),
    pass_env: Sequence[str] = (),
    scratch: Path | None = None,
    run_id: str = "",
) -> Choice:
    """Choose by `auto`, `bubblewrap` or `none`, and try out what was chosen.

    `hide` are the operator's folders: home, project, state folder. `read` are those that may be
    read all the same, such as toolchains; `pass_env` the variables handed in by name. What is begun
    without a sandbox is marked as the run's.
    """
    if kind == "landlock":
        raise NotSupported("the sandbox landlock is not supported yet", hint="use bubblewrap")
    if kind not in KINDS:
        raise UnknownName("sandbox", kind, KINDS)
    if kind == "none":
        return _unguarded(environ, "no sandbox was asked for", run_id)
    try:
        return await _bubblewrap(environ, hide, read, pass_env, scratch)
    # Any other failure is trouble that passes: nobody meant to be without a sandbox for its sake.
    except SandboxImpossible as error:
        if kind == "bubblewrap":
            raise
        return _unguarded(environ, error.message, run_id)


def require_promised(promised: Promises, choice: Choice) -> None:
    """Refuse to go on where less is guarded than was promised."""
    kept = asdict(choice.promises)
    lacks = [_LACKS[name] for name, given in asdict(promised).items() if given and not kept[name]]
    if lacks:
        raise LessGuarded(
            f"the run began with a better sandbox than can be had now: {', '.join(lacks)}"
        )


def find_interpreter() -> Interpreter:
    """Return the system's Python, which every sandbox has, else ours with the folder it needs."""
    if os.access(_SYSTEM_PYTHON, os.X_OK):
        return Interpreter(_SYSTEM_PYTHON)
    return Interpreter(str(Path(sys.executable).resolve()), (Path(sys.base_prefix),))


async def _bubblewrap(
    environ: Mapping[str, str],
    hide: Sequence[Path],
    read: Sequence[Path],
    pass_env: Sequence[str],
    scratch: Path | None,
) -> Choice:
    program = shutil.which("bwrap", path=environ.get("PATH", ""))
    if not program:
        raise SandboxImpossible(
            "no bwrap on PATH",
            hint="install bubblewrap (Debian: apt-get install bubblewrap); "
            "or start a new run with --sandbox none",
        )
    python = find_interpreter()
    readable = [str(path) for path in read]
    variables = sandboxed(environ, read=readable, passed=pass_env, home=HOME)
    walls = Walls(program, python, variables, read=tuple(read), hide=tuple(hide))
    promises = await prove(
        lambda folder: SandboxedExecutionEnvironment(folder, walls),
        python=python.program,
        hide=hide,
        read=[*read, *python.needs],
        scratch=scratch,
    )

    def make(folder: Path, shown: Sequence[BindMount] = ()) -> ExecutionEnvironment:
        return SandboxedExecutionEnvironment(folder, walls, promises=promises, shown=shown)

    return Choice("bubblewrap", promises, _sentence(promises), make, make)


def _unguarded(environ: Mapping[str, str], why: str, run_id: str) -> Choice:
    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=environ, run_id=run_id)

    sentence = f"Tools run unguarded, with your rights on this machine: {why}. {_left_over()}"
    return Choice("none", Promises(), sentence, make)


def _left_over() -> str:
    if can_be_known():
        return "What they leave running is ended, but for who hides from us or runs elsewhere."
    return "What they leave running is not ended."


def _sentence(promises: Promises) -> str:
    lacks = [words for name, words in _LACKS.items() if not getattr(promises, name)]
    if lacks:
        return f"Tools run in a sandbox (bubblewrap) that may leak: {', '.join(lacks)}."
    return "Tools run in a sandbox (bubblewrap): only the workspace shows, and there is no network."


NOT_FOUND = 127
"""How a shell ends when what it should run is not there."""

_LONGEST_NAME = 100
# bash: `bash: line 1: foo: command not found`; dash: `sh: 1: foo: not found`;
# a script without its interpreter: `bash: ./x: cannot execute: required file not found`.
_SAID = re.compile(
    r"^(?:.*: )?(?P<name>[^\s:][^:\n]*): (?:command not found|not found|No such file or directory"
    r"|cannot execute: required file not found)$",
    re.MULTILINE,
)
# make ends with 2 itself, and says how what it ran did.
_PASSED_ON = re.compile(r"^make(?:\[\d+\])?: \*\*\* .*\bError 127$", re.MULTILINE)


def missing_command(result: ExecResult) -> str:
    """Return "command not found" with the command's name, if that is why a command failed."""
    if result.exit_code != NOT_FOUND and not _is_passed_on(result):
        return ""
    names = _SAID.findall(result.stderr)
    return f"command not found: {names[-1][:_LONGEST_NAME]}" if names else "command not found"


def _is_passed_on(result: ExecResult) -> bool:
    return result.exit_code != 0 and _PASSED_ON.search(result.stderr) is not None

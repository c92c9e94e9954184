"""Starts a program, and says plainly why one could not be started."""

import errno
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Literal

from attractor.base.atomic_files import file_trouble
from attractor.base.errors import ProcessNotStarted

_HINTS: Mapping[int | None, str] = {
    errno.ENOEXEC: "it is no program of this machine; a script begins with a #! line",
    errno.E2BIG: "arguments and environment are too long: hand long input over as stdin",
}


def start_process(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdin: bytes | Path = b"",
    output: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, or say why it could not be started.

    Bytes are for its pipe; a file it reads itself, and it writes one when `output` names it.
    """
    if not argv:
        raise ProcessNotStarted("no program is named", hint="give its name, then its arguments")
    piped = subprocess.PIPE if stdin else subprocess.DEVNULL
    with ExitStack() as files:
        given = files.enter_context(_opened(stdin, "rb")) if isinstance(stdin, Path) else piped
        taken = files.enter_context(_opened(output, "wb")) if output else subprocess.PIPE
        try:
            return subprocess.Popen(
                list(argv),
                bufsize=0,
                cwd=cwd,
                env=env,
                stdin=given,
                stdout=taken,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _not_started(argv[0], cwd, error) from error


def _opened(file: Path, mode: Literal["rb", "wb"]) -> BinaryIO:
    try:
        return file.open(mode)
    except OSError as cause:
        raise file_trouble("read" if mode == "rb" else "write", file, cause) from cause


def _not_started(program: str, cwd: Path, error: OSError | ValueError) -> ProcessNotStarted:
    why = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename == cwd:  # only the folder is a Path
        return ProcessNotStarted(
            f"{program} was not started in {cwd}: {why}",
            hint="the folder it should run in must exist, and we must be allowed to enter it",
        )
    return ProcessNotStarted(
        f"{program} was not started: {why}", hint=_hint(program, cwd / program, error)
    )


def _hint(program: str, path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        if "/" not in program:
            return "no folder of the PATH has it: install it, or give its whole path"
        if path.is_file():
            return "the interpreter that its first line names is missing"
        return f"there is no file {path}"
    if isinstance(error, PermissionError):
        return "it is a folder" if path.is_dir() else f"make it executable: chmod +x {path}"
    number = error.errno if isinstance(error, OSError) else None
    return _HINTS.get(number, "look at its name, its arguments and its environment")

"""Runs commands in a given folder, with given environment variables."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest

from attractor.cli.main import main
from tests.patience import PATIENCE_S
from tests.prepared import PROGRAM, Process, begin_prepared, is_plain, plain, run_prepared

NO_HOME = Path("/nonexistent")
ROOT = Path(__file__).parent.parent.parent
ATTRACTOR = PROGRAM


def attractor(
    *words: str,
    folder: Path = ROOT,
    copy: Path | None = None,
    variables: Mapping[str, str] | None = None,
    typed: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, or from a copy of the package in a process of its own.

    Variables that Python reads only when it starts get a process of their own too.
    """
    environ = {"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C.UTF-8"}
    environ |= variables or {}
    if copy:
        return subprocess.run(
            [sys.executable, "-m", "attractor", *words],
            cwd=copy,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    if not is_plain(environ):
        return run_prepared(words, folder=folder, variables=environ, typed=typed)
    return run_here(words, folder=folder, variables=environ, typed=typed)


def run_here(
    words: Sequence[str], *, folder: Path, variables: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, with files as its streams."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder)
        for name in os.environ.keys() - variables.keys():
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        streams = [stack.enter_context(_stream(errors)) for errors in _ERRORS.values()]
        streams[0].write(typed)
        streams[0].seek(0)
        for name, stream in zip(_ERRORS, streams, strict=True):
            patch.setattr(sys, name, stream)
        code = main(words)
        out, err = map(_text, streams[1:])
    return subprocess.CompletedProcess([PROGRAM, *words], code, out, err)


_ERRORS = {"stdin": "surrogateescape", "stdout": "surrogateescape", "stderr": "backslashreplace"}


def _stream(errors: str) -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors=errors, newline="")


def _text(stream: IO[str]) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextmanager
def running_program(*words: str | Path) -> Generator[Process]:
    """Start the program, and kill it when the block ends."""
    process = begin_prepared(
        [str(word) for word in words],
        folder=ROOT,
        variables=plain(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def copied_package(folder: Path, **commands: str) -> Path:
    """Copy the package and add a file for each command."""
    shutil.copytree(ROOT / "attractor", folder / "attractor")
    for name, text in commands.items():
        (folder / "attractor" / "cli" / "commands" / f"{name}.py").write_text(text)
    return folder

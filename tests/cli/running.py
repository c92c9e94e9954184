"""Runs the real program, in a folder and with variables of the test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.prepared import PROGRAM, Process, begin_prepared, plain, run_prepared

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
    """Run the program: the installed one, or a copy of the package in a folder.

    What is typed comes through a pipe.
    """
    environ = {"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C.UTF-8"}
    environ |= variables or {}
    if not copy:
        return run_prepared(words, folder=folder, variables=environ, timeout=60, typed=typed)
    return subprocess.run(
        [sys.executable, "-m", "attractor", *words],
        cwd=copy,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def at_work(*words: str | Path) -> Generator[Process]:
    """Begin the program, and end it without a word if it has not ended by then."""
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
        process.wait(20)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def copied_package(folder: Path, **commands: str) -> Path:
    """Copy the package and add a file for each command."""
    shutil.copytree(ROOT / "attractor", folder / "attractor")
    for name, text in commands.items():
        (folder / "attractor" / "cli" / "commands" / f"{name}.py").write_text(text)
    return folder

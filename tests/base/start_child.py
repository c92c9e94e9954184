"""Starts the programs beside this file, which the tests kill."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

LONGEST = 60.0


@contextmanager
def start_child(
    name: str, *arguments: str | Path, stdout: int = subprocess.PIPE
) -> Generator[subprocess.Popen[bytes]]:
    """Run a program until the block ends. It is killed then, or after 60 s."""
    command = [sys.executable, Path(__file__).with_name(f"{name}.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout) as child:
        watch = Timer(LONGEST, child.kill)
        watch.start()
        try:
            yield child
        finally:
            watch.cancel()
            child.kill()

"""A pseudo-terminal with a process, and a person who types."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE_S
from tests.prepared import PROGRAM, Process, begin_prepared


@dataclass
class Sitting:
    """A person at a terminal, in which one command runs."""

    process: Process | subprocess.Popen[bytes]
    ours: int
    seen: bytes = b""

    @property
    def shown(self) -> str:
        """Return the whole output so far."""
        return self.seen.decode("utf-8", "replace").replace("\r\n", "\n")

    def until(self, *words: str) -> str:
        """Read the output until it contains all of these words."""
        until = time.monotonic() + PATIENCE_S
        while not all(one in self.shown for one in words):
            assert time.monotonic() < until, self.shown
            assert self._goes_on(1.0), self.shown
        return self.shown

    def until_again(self, words: str, times: int) -> None:
        """Read the output until it contains these words a number of times."""
        until = time.monotonic() + PATIENCE_S
        while self.shown.count(words) < times:
            assert time.monotonic() < until, self.shown
            assert self._goes_on(1.0), self.shown

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self.ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C once the command waits: Python misses a signal just before it reads."""
        until = time.monotonic() + PATIENCE_S
        waiting = 0
        while waiting < 5:
            assert time.monotonic() < until, self.shown
            time.sleep(0.02)
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
            waiting = waiting + 1 if stat.rpartition(")")[2].split()[0] == "S" else 0
        self.type("\x03")

    def ends_with(self) -> int:
        """Read to the end, and return the exit code."""
        until = time.monotonic() + PATIENCE_S
        while self._goes_on(0.2):
            assert time.monotonic() < until, self.shown
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def _goes_on(self, seconds: float) -> bool:
        """Read, and return whether more output may follow."""
        # Poll first: a process may print and end after a read without a result.
        has_ended = self.process.poll() is not None
        return self._read(seconds) or not has_ended

    def _read(self, seconds: float) -> bool:
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        piece = b""
        with suppress(OSError):  # On Linux, a read fails when the other end is closed.
            piece = os.read(self.ours, 65536)
        self.seen += piece
        if b"\x1b[6n" in piece:  # The program asks where the cursor is.
            self.type("\x1b[1;1R")
        return bool(piece)


@contextmanager
def sit(words: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Generator[Sitting]:
    """Run a command in its own terminal, so that Ctrl-C reaches it."""
    ours, theirs = pty.openpty()
    environ = {"TERM": "dumb", **environ}
    terminal = os.ttyname(theirs)
    if words[0] == PROGRAM:
        process = begin_prepared(words[1:], folder=cwd, variables=environ, terminal=terminal)
    else:
        process = _begin(words, cwd, environ, terminal)
    os.close(theirs)
    try:
        yield Sitting(process, ours)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(ours)


def _begin(
    words: Sequence[str], cwd: Path, environ: Mapping[str, str], terminal: str
) -> subprocess.Popen[bytes]:
    # The first terminal that a session leader opens becomes its controlling terminal, from which
    # Ctrl-C reaches it.
    shell = ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', terminal]
    return subprocess.Popen(
        [*shell, *words], cwd=cwd, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
    )


def plain(text: str) -> str:
    """Return text without escape sequences for colors."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

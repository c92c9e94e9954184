"""Runs commands of the program as processes that need not load it first."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO

PROGRAM = str(Path(sys.executable).parent / "attractor")
_ROOT = Path(__file__).parent.parent
_UMASK = 0o022


class Prepared:
    """The process that has the program ready; one command at a time."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.busy = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prepared_program", str(theirs.fileno())],
                cwd=_ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(self, request: Mapping[str, object], files: Sequence[int], timeout: float) -> int:
        """Run a command to its end, and return its exit code as `subprocess` would."""
        data = json.dumps(request).encode()
        self._ours.settimeout(60)
        socket.send_fds(self._ours, [len(data).to_bytes(4)], files)
        self._ours.sendall(data)
        pid = int.from_bytes(self._received())
        self._ours.settimeout(timeout)
        try:
            return int.from_bytes(self._received(), signed=True)
        except TimeoutError:
            os.kill(pid, 9)
            self._ours.settimeout(60)
            self._received()
            raise

    def _received(self) -> bytes:
        data = self._ours.recv(4, socket.MSG_WAITALL)
        assert len(data) == 4, "the process that has the program ready is gone"
        return data


@cache
def _prepared(_worker: int) -> Prepared:
    return Prepared()


def run_prepared(
    words: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    timeout: float,
    is_merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing on its standard input."""
    prepared = _prepared(os.getpid())
    if not _is_plain(variables) or not prepared.busy.acquire(blocking=False):
        return _run_afresh(words, folder, variables, timeout, is_merged=is_merged)
    request = {
        "program": PROGRAM,
        "words": words,
        "folder": str(folder),
        "variables": dict(variables),
        "umask": _UMASK,
    }
    with ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("rb"))
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        files = [nothing.fileno(), out.fileno(), (out if is_merged else err).fileno()]
        try:
            code = prepared.run(request, files, timeout)
        except TimeoutError as cause:
            raise subprocess.TimeoutExpired([PROGRAM, *words], timeout) from cause
        finally:
            prepared.busy.release()
        texts = [_text(out), _text(err)]
    return subprocess.CompletedProcess([PROGRAM, *words], code, *texts)


def _is_plain(variables: Mapping[str, str]) -> bool:
    """Tell whether nothing is said that python itself asks for before it begins."""
    said = [one for one in variables if one.startswith(("PYTHON", "LC_", "COVERAGE", "TZ"))]
    return variables.get("LANG") == "C.UTF-8" and not said


def _run_afresh(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    timeout: float,
    *,
    is_merged: bool,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_merged else subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
        umask=_UMASK,
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()

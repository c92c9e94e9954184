"""Runs commands of the program in processes that have it loaded already."""

import atexit
import marshal
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.patience import PATIENCE_S
from tests.prepared_program import PROGRAM, REACHED

_ROOT = Path(__file__).parent.parent
_UMASK = 0o022
_HELD_BY_A_PIPE = 65536
_REQUEST: dict[str, Any] = {
    "program": PROGRAM,
    "umask": _UMASK,
    "leads": False,
    "terminal": "",
    "test": "",
}
_SHARED: dict[str, bytes] = {}
_FOR_PYTHON = ("PYTHON", "LC_", "COVERAGE", "TZ")
# The needed modules of the standard library take longer to load than all of its work.
_CLIENT = """#!{python} -IS
import _socket, marshal, os, sys

line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
line.connect({address})
words, folder, variables = sys.argv[1:], os.getcwd(), dict(os.environ)
data = marshal.dumps(dict({request}, words=words, folder=folder, variables=variables))
files = b"".join(one.to_bytes(4, sys.byteorder) for one in (0, 1, 2))
rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)]
line.sendmsg([len(data).to_bytes(4)], rights)
line.sendall(data)
process = int.from_bytes(line.recv(4))
try:
    code = line.recv(4)
except KeyboardInterrupt:
    os.kill(process, 2)
    code = line.recv(4)
sys.exit(int.from_bytes(code, signed=True))
"""

_TEMPORARY = tempfile.gettempdir()


@dataclass
class RunningCommand:
    """A running command, with the interface of `subprocess.Popen`."""

    pid: int
    line: socket.socket
    stdout: IO[str] | None = None
    stderr: IO[str] | None = None
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code if the command has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the command, and return the exit code."""
        if self.returncode is None:
            self.line.settimeout(timeout)
            try:
                self.returncode = int.from_bytes(_received(self.line), signed=True)
            except (TimeoutError, BlockingIOError) as cause:
                raise subprocess.TimeoutExpired(PROGRAM, timeout or 0) from cause
            self.line.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read the output until the command has ended."""
        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(one.read) for one in (self.stdout, self.stderr) if one]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        for one in (self.stdout, self.stderr):
            if one:
                one.close()
        out, err = (one.result() for one in reading)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal if the command still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the command."""
        self.send_signal(signal.SIGKILL)


Process = RunningCommand | subprocess.Popen[str]


class Prepared:
    """The process that has the program loaded."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("")
        listener.listen()
        self.address: bytes = listener.getsockname()
        with theirs, listener:
            files = [listener.fileno(), theirs.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.prepared_program", *map(str, files)],
                cwd=_ROOT,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | _for_reach(),
                stdin=subprocess.DEVNULL,
                pass_fds=files,
            )

    def end(self) -> None:
        """End the process, which serves until this end of the connection is closed."""
        self._ours.close()
        self._process.wait(PATIENCE_S)


def _for_reach() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name == REACHED}


def _begin(request: dict[str, Any], files: Sequence[int]) -> tuple[int, socket.socket]:
    """Start a command; return its process id, and the connection for its exit code."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    data = marshal.dumps(request | {"test": test})
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(PATIENCE_S)
    line.connect(address())
    socket.send_fds(line, [len(data).to_bytes(4)], files)
    line.sendall(data)
    return int.from_bytes(_received(line)), line


def _received(line: socket.socket) -> bytes:
    data = line.recv(4, socket.MSG_WAITALL)
    assert len(data) == 4, "the process that has the program ready is gone"
    return data


def address() -> bytes:
    """Return the address of the process that all workers share; start one if there is none."""
    return _SHARED.get("address") or _start(os.getpid()).address


def share(address: bytes) -> None:
    """Use a process that another worker has started, and ends."""
    _SHARED["address"] = address


@cache
def _start(_process: int) -> Prepared:
    prepared = Prepared()
    atexit.register(prepared.end)
    return prepared


def begin_prepared(
    words: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    leads: bool = False,
    terminal: str = "",
    program: str = PROGRAM,
) -> Process:
    """Start a command, maybe as a session leader or at a terminal of its own.

    The program is the installed one, or a Python file.
    """
    if not is_plain(variables):
        assert program == PROGRAM
        return _begin_afresh(words, folder, variables, (stdin, stdout, stderr), leads=leads)
    request = _REQUEST | {
        "program": program,
        "words": [*map(str, words)],
        "folder": str(folder),
        "variables": dict(variables),
        "leads": leads or bool(terminal),
        "terminal": terminal,
    }
    streams: list[IO[str] | None] = []
    with ExitStack() as stack:
        nothing = stack.enter_context(Path(os.devnull).open("r+b")).fileno()
        files = [nothing if stdin == subprocess.DEVNULL else stdin]
        for wanted in (stdout, stderr):
            ours, theirs = os.pipe() if wanted == subprocess.PIPE else (-1, wanted)
            if ours >= 0:
                stack.callback(os.close, theirs)
            streams.append(os.fdopen(ours, encoding="utf-8") if ours >= 0 else None)
            files.append(nothing if theirs == subprocess.DEVNULL else theirs)
        pid, line = _begin(request, files)
    return RunningCommand(pid, line, stdout=streams[0], stderr=streams[1])


def run_prepared(
    words: Sequence[str],
    *,
    folder: Path,
    variables: Mapping[str, str],
    is_merged: bool = False,
    typed: str = "",
    program: str = PROGRAM,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with the given text, or nothing, on its standard input."""
    if not is_plain(variables):
        assert program == PROGRAM
        return _run_afresh(words, folder, variables, is_merged=is_merged, typed=typed)
    with ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        given = stack.enter_context(_pipe_with(typed))
        begun = begin_prepared(
            words,
            folder=folder,
            variables=variables,
            stdin=given.fileno() if typed else subprocess.DEVNULL,
            stdout=out.fileno(),
            stderr=(out if is_merged else err).fileno(),
            program=program,
        )
        try:
            code = begun.wait(PATIENCE_S)
        finally:
            begun.kill()
            begun.wait(PATIENCE_S)
        return subprocess.CompletedProcess([program, *words], code, _text(out), _text(err))


def run_program(
    text: str, folder: Path, variables: Mapping[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program that has the package loaded, with warnings as errors."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(text)
        file.flush()
        return run_prepared(words, folder=folder, variables=plain(variables), program=file.name)


def quick_programs() -> Path:
    """Return a folder for the PATH of a shell, with an `attractor` that starts quickly."""
    return _programs(os.getpid())


@cache
def _programs(_worker: int) -> Path:
    # The first test that needs it may have changed the folder of temporary files.
    folder = Path(tempfile.mkdtemp(prefix="attractor-tests-", dir=_TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text = _CLIENT.format(python=sys.executable, address=address(), request=_REQUEST)
    file = folder / Path(PROGRAM).name
    file.write_text(text)
    file.chmod(0o755)
    return folder


def plain(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those that Python itself reads at its start."""
    others = {name: one for name, one in variables.items() if not name.startswith(_FOR_PYTHON)}
    return others | {"LANG": "C.UTF-8"}


def is_plain(variables: Mapping[str, str]) -> bool:
    """Return whether Python itself reads none of the variables at its start."""
    return plain(variables) == variables


def _begin_afresh(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    files: Sequence[int],
    *,
    leads: bool,
) -> subprocess.Popen[str]:
    stdin, stdout, stderr = files
    return subprocess.Popen(
        [PROGRAM, *words],
        cwd=folder,
        env=variables,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        encoding="utf-8",
        start_new_session=leads,
    )


def _run_afresh(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    is_merged: bool,
    typed: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words],
        cwd=folder,
        env=variables,
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_merged else subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        umask=_UMASK,
    )


def _pipe_with(text: str) -> IO[bytes]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        assert pipe.write(text.encode()) <= _HELD_BY_A_PIPE
    return os.fdopen(reading, "rb")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()

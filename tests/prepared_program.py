"""A process that has the program loaded, and forks for each command.

Each command is a process of its own, with its own folder, variables and files, and ends like the
installed program. Only the loading of the modules is saved. A request may name another Python file,
which runs instead of the installed program.
"""

import atexit
import gc
import importlib
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import attractor
from attractor.base.registry import Registry

REACHED = "REACHED_BY_TESTS"
"""The variable with the folder for the lines that commands reach."""
PROGRAM = str(Path(sys.executable).parent / "attractor")
_LATER = ("attractor.__main__", "attractor.cli.language_server", "attractor.twins.pytest_plugin")
# A slow import inside a function.
_LIBRARIES = ("pydot",)


def load() -> None:
    """Import the modules that commands import on demand."""
    # Garbage collections take a fifth of the time: nearly all new objects stay.
    gc.disable()
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    folders: set[str] = set()
    for module in pkgutil.walk_packages(attractor.__path__, "attractor."):
        if not module.name.startswith(_LATER):
            names = vars(importlib.import_module(module.name))
            _ready(names)
            if "part" in names:
                folders.add(module.name.rpartition(".")[0])
    for name in _LIBRARIES:
        importlib.import_module(name)
    for folder in folders:
        len(Registry(folder, object, noun="part"))  # a process lists a folder of parts once
    gc.collect()
    gc.freeze()
    gc.enable()


def _ready(names: dict[str, Any]) -> None:
    """Let classes generate their methods, which they do on first use."""
    for one in list(names.values()):
        if isinstance(one, type) and one.__module__ == names["__name__"]:
            getattr(one, "__init__", None)


def serve(listener: socket.socket, line: socket.socket) -> list[str] | None:
    """Start a process for every request until a connection closes; in it, return its argv."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _wake)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([listener, line, woken], [], [])[0]
        if woken in ready:
            woken.recv(1024)
            _tell_ends(running)
        if line in ready:
            return None
        if listener not in ready:
            continue
        output, _ = listener.accept()
        head, files, _, _ = socket.recv_fds(output, 4, 3)
        request = marshal.loads(_read(output, int.from_bytes(head)))
        pid = _fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (listener, line, woken, waker, output, *running.values()):
                one.close()
            return _become(request, files)
        for file in files:
            os.close(file)
        output.sendall(pid.to_bytes(4))
        running[pid] = output


def _fork() -> int:
    """Fork as soon as another process is allowed: the processes of all tests are limited."""
    while True:
        with suppress(BlockingIOError):
            return os.fork()
        time.sleep(0.1)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """A signal handler without effect: the wake-up is written only if there is one."""


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as messages, suppress(OSError):  # the client may be gone
            messages.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))


def _read(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += line.recv(size - len(received))
    return received


def _trace(folder: Path, test: str) -> None:
    """Record the lines that this command reaches, for the test that started it."""
    from coverage import Coverage  # only when the tests are measured

    file = str(folder / f"{os.getpid()}.reached")
    tracing = Coverage(file, source=["attractor"], context=f"{test}|", config_file=False)
    tracing.start()
    atexit.register(lambda: (tracing.stop(), tracing.save()))


def _become(request: dict[str, Any], files: list[int]) -> list[str]:
    if request["leads"]:
        os.setsid()
    if request["terminal"]:
        for file in files:
            os.close(file)
        # The first terminal that a session leader opens becomes its own: Ctrl-C works there.
        files = [os.open(request["terminal"], os.O_RDWR) for _ in range(3)]
    if folder := os.environ.get(REACHED):
        _trace(Path(folder), request["test"])
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["variables"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # As Python itself opens them with the language C.UTF-8.
    sys.stdin = os.fdopen(0, "r", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = [request["program"], *request["words"]]
    return sys.argv


def _end(code: int) -> NoReturn:
    """End like Python, but without releasing the modules, which takes longer than most commands."""
    threading._shutdown()  # pyright: ignore  # as python itself, and `multiprocessing` after a fork
    atexit._run_exitfuncs()  # pyright: ignore
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(program: str, words: list[str]) -> int:
    if program == PROGRAM:
        return importlib.import_module("attractor.cli.main").main(words)
    warnings.simplefilter("error")
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def main() -> None:
    """Serve until there is no client any more."""
    load()
    argv = serve(*(socket.socket(fileno=int(one)) for one in sys.argv[1:3]))
    if argv is not None:
        _end(_run(argv[0], argv[1:]))


if __name__ == "__main__":
    main()

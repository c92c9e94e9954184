"""Runs commands as on another system: `python -P tests/other_system.py win32 '[["rules"]]'`.

Prints exit status, output and errors of each as JSON. Of one command, the streams are its own.

What the system lacks is taken away from this Python: `/proc`, and for Windows modules, functions,
constants and signals. Libraries are imported before, because they have builds for that system.
"""

import asyncio
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import sysconfig
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    "click httpx jinja2 jsonschema lark multiprocessing.popen_spawn_posix pathlib platformdirs pty"
    " pydantic pydot pygls.lsp.server rich.console selectors shutil socketserver tempfile uvicorn"
    " watchfiles yaml"
)
MISSING_MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
LINUX_ONLY = ("O_TMPFILE", "pidfd_open", "sched_getaffinity", "memfd_create", "splice")
MISSING_IN_WINDOWS = (
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC"),
    *("ST_NOEXEC", "chown", "fchdir", "fchmod", "fork", "getegid", "geteuid", "getgid", "getpgid"),
    *("getuid", "killpg", "mkfifo", "setsid", "statvfs", "uname", "waitid", "register_at_fork"),
)


def hide(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to open `/proc`, and to start the shell where there is none."""
    is_proc = event in ("open", "os.listdir", "os.scandir")
    is_proc = is_proc and str(arguments[0]).startswith("/proc")
    is_shell = event == "subprocess.Popen" and arguments[0] == "/bin/sh"
    if is_proc or (is_shell and sys.platform == "win32"):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


def refuse(*_: object, **__: object) -> NoReturn:
    """Say that there is no such function."""
    raise NotImplementedError


def become_windows() -> None:
    """Take away what Python on Windows does not have."""
    for name in MISSING_MODULES:
        sys.modules[name] = None  # pyright: ignore  # an import fails
    for name in MISSING_IN_WINDOWS:
        delattr(os, name)
    for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGSTOP", "SIGCONT"):
        delattr(signal, name)
    for module, name in ((os, "O_BINARY"), (os, "O_NOINHERIT"), (signal, "SIGBREAK")):
        setattr(module, name, 0)
    opened = os.open

    def open_no_folder(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        if dir_fd is not None:
            refuse()
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", path)
        return opened(path, flags, mode)

    os.open = open_no_folder
    os.supports_dir_fd.clear()
    os.supports_follow_symlinks.clear()
    os.kill = refuse  # it ends the process there, or interrupts its group
    loop = asyncio.SelectorEventLoop
    loop.add_signal_handler = loop.remove_signal_handler = refuse  # pyright: ignore
    subprocess.Popen.kill = subprocess.Popen.terminate  # pyright: ignore


def become(system: str) -> None:
    """Take away what Python on a system does not have."""
    for name in LIBRARIES.split():
        importlib.import_module(name)
    sysconfig.get_config_vars()  # of this system
    for name in LINUX_ONLY:
        delattr(os, name)
    sys.addaudithook(hide)
    if system == "win32":
        become_windows()
    sys.platform = system


def run(words: list[str]) -> int:
    """Run a command in this process, and return its exit status."""
    sys.argv = ["attractor", *words]
    return importlib.import_module("attractor.__main__").main()


def record(words: list[str]) -> tuple[int, str, str]:
    """Run a command, and return its exit status, output and errors."""
    # A pipe of Windows has an encoding of the country.
    encoding = "cp1252" if sys.platform == "win32" else "utf-8"
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = run(words)
    out, errors = (stream.buffer.getvalue().decode() for stream in streams)  # pyright: ignore
    return code, out, errors


if __name__ == "__main__":
    become(sys.argv[1])
    commands = json.loads(sys.argv[2])
    if len(commands) == 1:
        sys.exit(run(commands[0]))
    sys.stdout.write(json.dumps([record(words) for words in commands]))

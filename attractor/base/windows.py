"""Windows: stand-ins for what Python lacks there, so that modules load, and texts are UTF-8.

Whatever has no equal there refuses its use with NeedsLinux. All other modules are written for Linux
and macOS; no other one asks for Windows, except where a program is started or a folder is synced.
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from attractor.base.errors import NeedsLinux

_MODULES = ("fcntl", "resource", "termios")
_FLAGS = ("CLOEXEC", "DIRECTORY", "NOCTTY", "NOFOLLOW", "NONBLOCK", "SYNC", "TMPFILE")
_SIGNALS = ("SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGSTOP", "SIGUSR1", "SIGUSR2", "SIGWINCH")


class _MissingName(NeedsLinux, AttributeError):
    """A use of a module that Windows does not have; libraries look whether there is the name."""


class _MissingModule(ModuleType):
    """A module that Windows does not have: it loads, and refuses the use of its names."""

    def __getattr__(self, name: str) -> object:
        raise _MissingName(f"the function {self.__name__}.{name}")


def stand_in() -> None:
    """Add the modules, flags and signals that are missing; call it before other imports."""
    for name in _MODULES:
        if sys.modules.get(name) is None:
            sys.modules[name] = _MissingModule(name)
    # Files are opened as bytes, and no child inherits them.
    own = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
    for name in _FLAGS:
        _add(os, f"O_{name}", own)
    _add(os, "fchmod", _keep_permissions)
    # Pipes there have an encoding of the country.
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    for name in _SIGNALS:
        # os.kill ends a process there, whatever the signal.
        _add(signal, name, signal.SIGTERM)


def _add(module: ModuleType, name: str, value: object) -> None:
    if not hasattr(module, name):
        setattr(module, name, value)


def _keep_permissions(file: int, mode: int) -> None:
    """Do nothing: a file there is read-only or not, and a new one is not."""


def call(
    argv: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    timeout: float | None,
    stdin: bytes,
) -> tuple[int, bytes, bytes]:
    """Run a program to its end, and return exit status, output and errors."""
    # Without it, Python and the network of Windows do not start.
    root = {"SYSTEMROOT": os.path.expandvars("$SYSTEMROOT")}
    made = subprocess.run(
        argv,
        cwd=cwd,
        env=None if env is None else {**root, **env},
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return made.returncode, made.stdout, made.stderr

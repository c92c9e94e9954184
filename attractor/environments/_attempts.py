"""Tries to escape from a sandbox, and prints as a JSON object which attempts succeeded.

An attempt counts as blocked only if it fails with an error that isolation causes. Any other
failure, such as a lack of file descriptors or time, proves nothing and counts as a leak.

This is a separate program for any Python from 3.9. The input of the program is a file in the
workspace, because a search for a command line would find the program's own arguments.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_UNWRITABLE = _ABSENT | _FORBIDDEN | {errno.EROFS}
_UNREACHABLE = _FORBIDDEN | {
    errno.ECONNREFUSED,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}


def main() -> None:
    """Try everything; the caller checks outside for written files and killed processes."""
    arguments = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    Path(arguments["token"]).touch()
    results = {
        # Written files are checked outside: some places may be inside the sandbox.
        "doubtful": [
            path for path in arguments["places"] if _doubtful(Path(path, arguments["token"]))
        ],
        "reads": [path for path in arguments["secrets"] if _shows(path)],
        "connects": not (
            _blocked(
                lambda: _connect(("127.0.0.1", arguments["port"]), socket.AF_INET), _UNREACHABLE
            )
            and _blocked(
                lambda: _connect("\0" + arguments["abstract"], socket.AF_UNIX), _UNREACHABLE
            )
        ),
        # Before the attempt to kill: a dead process has no command line.
        "sees": _sees(os.fsencode(arguments["marker"])),
    }
    with suppress(OSError):
        os.kill(arguments["pid"], signal.SIGKILL)
    sys.stdout.write(json.dumps(results))


def _doubtful(file: Path) -> bool:
    """Try to create a file; return whether creation failed for a reason other than isolation."""
    try:
        file.touch()
    except OSError as error:
        return error.errno not in _UNWRITABLE
    return False


def _blocked(attempt: Callable[[], object], how: Collection[int]) -> bool:
    """Return whether an attempt failed with one of the errors in `how`."""
    try:
        attempt()
    except OSError as error:
        return error.errno in how
    return False


def _shows(path: str) -> bool:
    """Return whether a name in a folder or a byte of a file may be visible."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno not in _ABSENT | _FORBIDDEN
    try:
        return bool(os.read(opened, 1))
    except IsADirectoryError:
        return bool(os.listdir(opened))  # noqa: PTH208
    except OSError:
        return True
    finally:
        os.close(opened)


def _connect(address: tuple[str, int] | str, family: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(2)
        made.connect(address)


def _sees(marker: bytes) -> bool:
    """Return whether a command line may be visible.

    A search that does not find its own process proves nothing.
    """
    seen: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # the process ended
            continue
        except OSError:
            return True
        if marker in line:
            return True
        seen.add(int(process.name))
    return os.getpid() not in seen


if __name__ == "__main__":
    main()

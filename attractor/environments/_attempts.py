"""Run inside a sandbox: tries to get out, and prints as a JSON object what it was not refused.

An attempt counts as refused only when it fails in a way that walls make it fail. Whatever fails
otherwise, such as for want of file descriptors or in time, proves nothing and counts as a leak.

A program of its own, for any Python from 3.9. What to try stands in a file of the workspace: on
the command line, looking for a command line would find itself.
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
    """Try everything; what was written or killed is looked up outside."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    Path(asked["token"]).touch()
    told = {
        # What was written is looked up outside: some of it may be within the walls.
        "doubtful": [path for path in asked["places"] if _doubtful(Path(path, asked["token"]))],
        "reads": [path for path in asked["secrets"] if _shows(path)],
        "connects": not (
            _refused(lambda: _connect(("127.0.0.1", asked["port"]), socket.AF_INET), _UNREACHABLE)
            and _refused(lambda: _connect("\0" + asked["abstract"], socket.AF_UNIX), _UNREACHABLE)
        ),
        # Before the attempt to kill: the dead have no command line.
        "sees": _sees(os.fsencode(asked["marker"])),
    }
    with suppress(OSError):
        os.kill(asked["pid"], signal.SIGKILL)
    sys.stdout.write(json.dumps(told))


def _doubtful(file: Path) -> bool:
    """Try to make a file; tell whether that failed for another reason than a wall."""
    try:
        file.touch()
    except OSError as error:
        return error.errno not in _UNWRITABLE
    return False


def _refused(attempt: Callable[[], object], how: Collection[int]) -> bool:
    """Tell whether an attempt failed in one of the ways given."""
    try:
        attempt()
    except OSError as error:
        return error.errno in how
    return False


def _shows(path: str) -> bool:
    """Tell whether a folder may show a name, or a file a byte."""
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
    """Tell whether a command line may show; who cannot even see itself has not looked."""
    seen: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        except OSError:
            return True
        if marker in line:
            return True
        seen.add(int(process.name))
    return os.getpid() not in seen


if __name__ == "__main__":
    main()

"""Run inside a sandbox: tries to get out, and prints as a JSON object what it could do.

A program of its own, for any Python from 3.9. What to try stands in a file of the workspace: on
the command line, looking for a command line would find itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Try everything; what was written or killed is looked up outside."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    for place in asked["places"]:
        _succeeds(lambda place=place: Path(place, asked["token"]).touch())
    _succeeds(lambda: os.kill(asked["pid"], signal.SIGKILL))
    told = {
        "ran": _succeeds(lambda: Path(asked["token"]).touch()),
        "reads": [path for path in asked["secrets"] if _shows(Path(path))],
        "connects": _succeeds(lambda: _connect(("127.0.0.1", asked["port"]), socket.AF_INET))
        or _succeeds(lambda: _connect("\0" + asked["abstract"], socket.AF_UNIX)),
        "sees": _sees(os.fsencode(asked["marker"])),
    }
    sys.stdout.write(json.dumps(told))


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _shows(path: Path) -> bool:
    """Tell whether a folder shows any name, or a file a byte."""
    try:
        return bool(os.listdir(path) if path.is_dir() else path.read_bytes()[:1])  # noqa: PTH208
    except OSError:
        return False


def _connect(address: tuple[str, int] | str, family: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(2)
        made.connect(address)


def _sees(marker: bytes) -> bool:
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in line.read_bytes():
                return True
        except OSError:
            continue
    return False


if __name__ == "__main__":
    main()

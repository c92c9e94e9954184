"""Signals the processes of a group, and tells whether any of them is alive."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to every member of a group that there is and that we may send one to."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def has_members(group: int) -> bool:
    """Whether a group whose leader was waited for has living members that we could end."""
    # Its orphans come to us when we are process 1; they stay members until they are waited for.
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    # Who else is process 1 may take its time to wait for the dead.
    lives = _lives(group)
    return not lives or any(lives)


def _lives(group: int) -> list[bool]:
    """Return of each member of a group whether it lives; nothing where the system tells nothing."""
    lives: list[bool] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                # A zombie with threads only lost its first one.
                lives.append(fields[0] not in (b"Z", b"X") or int(fields[17]) > 1)
    return lives

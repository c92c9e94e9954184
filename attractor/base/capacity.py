"""Tells how much work this machine does at once."""

import os
from contextlib import suppress
from pathlib import Path

_MEMORY = Path("/proc/meminfo")
_AVAILABLE = "MemAvailable:"


def works_at_once(kilobytes_each: int) -> int:
    """Return how many processes that compute and use much memory run well at once: 1 or more."""
    cores = os.cpu_count() or 1
    # Not every system has it; only a process with fewer cores than the machine differs.
    with suppress(AttributeError):
        cores = len(os.sched_getaffinity(0))
    available = _available_memory()
    return max(1, cores if available is None else min(cores, available // kilobytes_each))


def _available_memory() -> int | None:
    """Return the kilobytes that new processes can use, if the system tells."""
    with suppress(OSError):
        for line in _MEMORY.read_text("ascii").splitlines():
            if line.startswith(_AVAILABLE):
                return int(line.split()[1])
    return None

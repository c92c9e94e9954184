"""The Python interpreter and the start-up cache."""

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from attractor.base.entry_points import CACHE_FILES, CACHE_FOLDER
from attractor.cli.doctor import Finding, Machine, missing, ok


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the interpreter and the start-up cache."""
    return [ok("python", f"{platform.python_version()} at {sys.executable}"), _start_up()]


def _start_up() -> Finding:
    # Listing the commands has read or written the cache.
    if any(Path(CACHE_FOLDER).glob(CACHE_FILES)):
        return ok("start-up", "the list of plugins is cached")
    return missing(
        "start-up",
        f"cannot write to {CACHE_FOLDER}: every start scans the installed distributions",
        remedy="run 'attractor --help' once as the user who installed it",
    )


part = examine

"""The Python that runs this program, and whether its start can be kept fast."""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from attractor.base.entry_points import CACHE_FOLDER
from attractor.cli.examination import Finding, Machine, missing, ok


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the interpreter and the place of the start-up cache."""
    return [ok("python", f"{platform.python_version()} at {sys.executable}"), _start_up()]


def _start_up() -> Finding:
    cache = Path(CACHE_FOLDER)
    writable = os.access(cache if cache.exists() else cache.parent, os.W_OK)
    if writable:
        return ok("start-up", "what other distributions offer is cached")
    return missing(
        "start-up",
        f"{CACHE_FOLDER} can't be written, so every start scans the installed distributions",
        remedy="run 'attractor --version' once as the user who installed it",
    )


part = examine

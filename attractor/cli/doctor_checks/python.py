"""The Python interpreter."""

import platform
import sys
from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, ok


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the interpreter."""
    return [ok("python", f"{platform.python_version()} at {sys.executable}")]


part = examine

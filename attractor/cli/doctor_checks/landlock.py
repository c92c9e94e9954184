"""Landlock, the kernel's access control for processes: tested with a real process."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attractor.cli.doctor import Finding, Machine, missing, ok
from attractor.environments.errors import SandboxUnavailable
from attractor.environments.sandbox.landlock import landlock_abi, require_landlock

SUBJECT = "landlock"
ATTEMPT = Path(__file__).parent / "_landlocked.py"
REMEDY = "use bubblewrap, or Linux 6.12 or newer with Landlock enabled"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report whether a restricted process can still read."""
    try:
        require_landlock(landlock_abi())
    except SandboxUnavailable as error:
        return [missing(SUBJECT, error.message, remedy=error.hint)]
    with tempfile.TemporaryDirectory() as hidden:
        secret = Path(hidden, "secret")
        secret.write_text("hidden")
        result = await machine.run(sys.executable, "-I", "-S", str(ATTEMPT), str(secret))
    output = result.stdout.strip() or " ".join(result.stderr.split())
    if result.exit_code == 0:
        return [ok(SUBJECT, f"{output}; a restricted process could not read (tested)")]
    return [missing(SUBJECT, f"the kernel does not restrict a process: {output}", remedy=REMEDY)]


part = examine

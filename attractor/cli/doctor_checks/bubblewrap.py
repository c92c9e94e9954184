"""bubblewrap, the sandbox of tools: tested with a real sandbox."""

import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attractor.base.processes import ExecResult
from attractor.cli.doctor import Finding, Machine, missing, ok

SUBJECT = "bubblewrap"
ATTEMPT = Path(__file__).parent / "_escape.py"
INSTALL = "install bubblewrap (Debian: apt-get install bubblewrap)"
ALLOW = "allow user namespaces, or allow unverified isolation in the profile"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report accesses that a test sandbox does not deny."""
    program = machine.find("bwrap")
    if not program:
        return [
            missing(
                SUBJECT,
                "no bwrap on PATH: tools run in Landlock or without a sandbox",
                remedy=INSTALL,
            )
        ]
    with tempfile.TemporaryDirectory() as hidden, socket.create_server(("127.0.0.1", 0)) as outside:
        secret = Path(hidden, "secret")
        secret.write_text("hidden")
        port = outside.getsockname()[1]
        attempt = [
            sys.executable,
            "-I",
            "-S",
            str(ATTEMPT),
            str(secret),
            str(port),
            str(os.getpid()),
        ]
        walls = (
            *("--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", hidden, "--remount-ro", hidden, "--"),
        )
        return [_judge(await machine.run(program, *walls, *attempt))]


def _judge(result: ExecResult) -> Finding:
    if result.exit_code != 0:
        reason = " ".join(result.stderr.split()) or f"exit status {result.exit_code}"
        return missing(SUBJECT, f"cannot create a sandbox: {reason}", remedy=ALLOW)
    escaped: list[str] = json.loads(result.stdout)
    if escaped:
        return missing(
            SUBJECT,
            f"the sandbox of bubblewrap has a hole: a test process {', '.join(escaped)}",
            remedy=ALLOW,
        )
    return ok(SUBJECT, "hides folders, processes and the network, and denies writing (tested)")


part = examine

"""Ports of commands in the sandbox, which services and HTTP requests of suites need."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok
from attractor.cli.doctor_checks.bubblewrap import INSTALL
from attractor.environments.errors import NO_PORTS, PORTS_HINT, SandboxNotStarted
from attractor.environments.selection import choose_environment

SUBJECT = "ports"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report whether commands in the sandbox of this machine have ports of their own."""
    try:
        choice = await choose_environment("auto", environ=machine.environ, hide=())
    except SandboxNotStarted as error:
        return [missing(SUBJECT, error.message, remedy=error.hint)]
    if choice.settings is None:
        return [
            missing(SUBJECT, "no sandbox: commands use the ports of this machine", remedy=INSTALL)
        ]
    if not choice.has_ports:
        return [missing(SUBJECT, NO_PORTS, remedy=PORTS_HINT)]
    return [ok(SUBJECT, f"commands in {choice.kind} have a loopback of their own (tested)")]


part = examine

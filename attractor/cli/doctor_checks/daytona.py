"""Daytona, a service that executes snippets: not used."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok

SUBJECT = "daytona"
KEY = "DAYTONA_API_KEY"
FOUND = "not used: snippets are executed in a sandbox of this machine"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report that a key of Daytona has no effect."""
    if machine.environ.get(KEY):
        return [missing(SUBJECT, f"{KEY} has no effect; {FOUND}", remedy=f"unset {KEY}")]
    return [ok(SUBJECT, FOUND)]


part = examine

"""Daytona, a service that executes snippets: its key is not used."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing

SUBJECT = "daytona"
KEY = "DAYTONA_API_KEY"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report that a key of Daytona has no effect, if one is set."""
    if not machine.environ.get(KEY):
        return []
    found = f"{KEY} has no effect: snippets are executed in a sandbox of this machine"
    return [missing(SUBJECT, found, remedy=f"unset {KEY}")]


part = examine

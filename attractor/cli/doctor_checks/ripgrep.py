"""ripgrep, which searches files for tools."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok

INSTALL = "install ripgrep (Debian: apt-get install ripgrep)"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report ripgrep's version."""
    version = await machine.version("rg", "--version")
    if version:
        return [ok("ripgrep", version.removeprefix("ripgrep "))]
    found = "no rg on PATH; using the slower search in Python"
    return [missing("ripgrep", found, remedy=INSTALL)]


part = examine

"""Git, which stores the results of runs."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, ok, problem


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report Git's version."""
    version = await machine.version("git", "--version")
    if version:
        return [ok("git", version.removeprefix("git version "))]
    return [problem("git", "cannot run git", remedy="install git (Debian: apt-get install git)")]


part = examine

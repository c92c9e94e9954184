"""The project folder that runs work on."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report whether runs work on the last commit or, outside Git, on a copy."""
    root = machine.configuration.root
    if not machine.find("git"):
        return [
            missing(
                "project", f"{root}: git is required to find its last commit", remedy="install git"
            )
        ]
    if not await _answers(machine, "rev-parse", "--git-dir"):
        return [
            ok("project", f"{root} is not in a git repository: runs work on a copy of its files")
        ]
    if not await _answers(machine, "rev-parse", "--verify", "--quiet", "HEAD"):
        found = f"the repository of {root} has no commit yet"
        return [missing("project", found, remedy="create a commit, or run with --workspace copy")]
    return [ok("project", f"{root}: runs work on its last commit")]


async def _answers(machine: Machine, *words: str) -> bool:
    asked = await machine.run("git", "-C", str(machine.configuration.root), *words)
    return asked.exit_code == 0


part = examine

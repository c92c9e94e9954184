"""Outside agents, which the backends of the same names start."""

from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok

PACKAGES = {
    "claude": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
}


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the path of each coding agent; their versions are not asked, as they write files."""
    return [_look(machine, name, package) for name, package in PACKAGES.items()]


def _look(machine: Machine, name: str, package: str) -> Finding:
    if path := machine.find(name):
        return ok(name, path)
    remedy = f"npm install -g {package}, to use --backend {name}"
    return missing(name, f"no {name} on PATH", remedy=remedy)


part = examine

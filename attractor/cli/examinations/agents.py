"""Coding agents of other vendors that can execute stages."""

import asyncio
from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok

AGENTS = {
    "codex": "npm install -g @openai/codex",
    "claude": "npm install -g @anthropic-ai/claude-code",
    "gemini": "npm install -g @google/gemini-cli",
    "opencode": "npm install -g opencode-ai",
}


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report which agents are on PATH and respond."""
    looks = [_look(machine, name, install) for name, install in AGENTS.items()]
    return await asyncio.gather(*looks)


async def _look(machine: Machine, name: str, install: str) -> Finding:
    subject = f"agent {name}"
    path = machine.find(name)
    if not path:
        return missing(subject, f"no {name} on PATH", remedy=f"{install}, to use it for stages")
    version = await machine.version(path, "--version")
    if version:
        return ok(subject, f"{version} at {path}")
    return missing(subject, f"{path} --version failed", remedy=install)


part = examine

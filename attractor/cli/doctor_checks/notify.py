"""Notifications about runs and apps."""

import re
from collections.abc import Sequence

from attractor.cli.doctor import Finding, Machine, missing, ok

SUBJECT = "notify"
_BUILTIN = frozenset({"cd", "echo", "export", "printf", "source", ".", "eval", "exec", "test"})
_PLAIN = re.compile(r"[A-Za-z0-9_.+/-]+")


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report the configured notifications, and whether the configured command exists."""
    settings = machine.configuration.settings.notify
    ways = [name for name, is_set in _wanted(settings.command, settings.url) if is_set]
    if not ways:
        return [
            ok(
                SUBJECT,
                "no notifications: notify.command and notify.url are not set",
            )
        ]
    program = settings.command.split(maxsplit=1)[0] if settings.command.strip() else ""
    if program and not _is_there(program, machine):
        remedy = "install it, or fix notify.command"
        return [missing(SUBJECT, f"notify.command: {program} not found", remedy=remedy)]
    return [ok(SUBJECT, f"notifications: {' and '.join(ways)}")]


def _wanted(command: str, url: object) -> Sequence[tuple[str, bool]]:
    return [("command", bool(command.strip())), ("url", bool(url))]


def _is_there(program: str, machine: Machine) -> bool:
    """Return whether a program exists; shell syntax counts as existing."""
    if not _PLAIN.fullmatch(program):
        return True
    if "/" in program:
        return (machine.configuration.root / program).exists()
    return program in _BUILTIN or bool(machine.find(program))


part = examine

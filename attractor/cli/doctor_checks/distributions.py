"""Installed distributions that may contain plugins: reports damaged distributions."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.entry_points import DamagedDistribution, find_damaged
from attractor.cli.doctor import Finding, Machine, missing, ok

SUBJECT = "distributions"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report damaged distributions, whose plugins are unavailable."""
    return [_describe(one) for one in find_damaged()] or [ok(SUBJECT, "no damaged distributions")]


def _describe(damaged: DamagedDistribution) -> Finding:
    stem = Path(damaged.place).stem
    found = f"{damaged.place} is skipped: {damaged.fault}"
    remedy = f"reinstall {stem.partition('-')[0]}, or remove the folder if it is a leftover"
    return missing(f"distribution {stem}", found, remedy=remedy)


part = examine

"""Formats durations, costs, counts and sizes for people."""

from collections.abc import Sequence
from datetime import timedelta

from attractor.base.durations import describe_duration

_UNIT = 1024


def format_seconds(seconds: float) -> str:
    """Return a duration as text for people."""
    return describe_duration(timedelta(milliseconds=round(1000 * seconds)))


def format_cost(dollars: float, *, is_partial: bool = False) -> str:
    """Return an amount of dollars as text for people; of a partial one, the rest is unknown."""
    if is_partial and not dollars:
        return "unknown"
    rounded = round(dollars, 4)
    known = f"${rounded:.2f}" if rounded >= 1 or not dollars else f"${rounded:.4f}"
    return f"{known} + unknown" if is_partial else known


def number_of(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 run` or `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def name_first(names: Sequence[str], most: int) -> str:
    """Return the first names, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def format_number(number: float) -> str:
    """Return a count as text for people."""
    return f"{round(number):,}"


def format_size(number: float) -> str:
    """Return a size in bytes as text for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < _UNIT:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= _UNIT
    return f"{number:.1f} GiB"

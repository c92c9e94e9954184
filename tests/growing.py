"""Measures the growth of work: executed lines for an input, and for one ten times as large."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

Work = Callable[[int], Callable[[], object]]
"""Prepares an input of a given size, and returns the work on it."""


def times_more(work: Work, *, few: int) -> float:
    """Return the ratio of executed lines for an input ten times as large.

    Lines are counted instead of seconds, because time depends on the load of the machine. The
    cost of a single line in a library is not included: `benchmarks/ten_times_as_much.py` measures
    time.
    """
    # Fill shared caches first, with an input of another size: its own caches do not help others.
    work(few + 1)()
    small, large = (lines(work(number)) for number in (few, 10 * few))
    return large / small


def lines(work: Callable[[], object]) -> int:
    """Count the executed lines of Python."""
    passed = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        nonlocal passed
        passed += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return passed

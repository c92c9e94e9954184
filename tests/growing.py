"""Counts how much more there is to do when there is ten times as much of it."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

Work = Callable[[int], Callable[[], object]]
"""Makes so much of something ready, and returns what is to be done with it."""


def times_more(work: Work, *, few: int) -> float:
    """Return how many times as many lines run for ten times as much.

    Lines and no seconds: a busy machine must not decide. What a single line lets a library do is
    not seen here; the benchmark `growth` measures time.
    """
    # What is made once and kept is not counted; what is kept of a text is another one's.
    work(few + 1)()
    small, large = (lines(work(number)) for number in (few, 10 * few))
    return large / small


def lines(work: Callable[[], object]) -> int:
    """Count the lines of Python that a work runs through."""
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

"""Repeats scenes that depend on time, because a busy machine may delay one of them."""

from collections.abc import Callable
from contextlib import suppress

import pytest

TRIES = 10


def is_soon(once: Callable[[], float], *, within_s: float) -> bool:
    """Return whether one call took less than a time; the function returns its duration."""
    return any(once() < within_s for _ in range(5 * TRIES))


def holds_once(scene: Callable[[], None], *, tries: int = TRIES) -> None:
    """Run a scene until it succeeds; raise the last failure."""
    for _ in range(tries - 1):
        with suppress(AssertionError):
            return scene()
    return scene()


def with_longer_limits(scene: Callable[[float], None], *, first_s: float) -> None:
    """Run a scene with a short time limit, after failures with ten and a hundred times that.

    For scenes in which an event must happen before a limit passes, and the limit must pass.
    """
    for limit_s in (first_s, 10 * first_s):
        with suppress(Exception, pytest.fail.Exception):
            return scene(limit_s)
    return scene(100 * first_s)

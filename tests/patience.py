"""Waits for events with one patience, and repeats scenes that need two times in an order."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest

T = TypeVar("T")
TRIES = 10
PATIENCE_S = 300.0
"""The time until a wait fails: far longer than any event takes on a slow and busy machine."""


def wait_until(holds: Callable[[], T], why: Callable[[], object] = str) -> T:
    """Wait for a true value, and return it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        began = time.monotonic()
        if found := holds():
            return found
        assert began < end, why()
        # A look may be a command: most time is left to what is waited for.
        time.sleep(max(0.02, 4 * (time.monotonic() - began)))


async def until(
    holds: Callable[[], Awaitable[object] | object],
    why: Callable[[], object] = str,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until something holds, in a loop of other tasks."""
    end = time.monotonic() + patience_s
    while True:
        began = time.monotonic()
        if await found if inspect.isawaitable(found := holds()) else found:
            return
        assert began < end, why()
        await asyncio.sleep(max(0.01, 4 * (time.monotonic() - began)))


def is_soon(once: Callable[[], float], *, floors: float) -> bool:
    """Return whether a call took less than some times of a sum beside it; it returns its seconds.

    The sum takes about 30 ms, and longer on a slow or busy machine, like the call.
    """
    return any(once() < floors * _summing_s() for _ in range(5 * TRIES))


def _summing_s() -> float:
    began = time.perf_counter()
    sum(number for number in range(1_000_000))
    return time.perf_counter() - began


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

"""Measures how much longer a work takes when there is ten times as much of it."""

import gc
import time
from collections.abc import Callable

ROUNDS = 3


def times_longer(work: Callable[[int], Callable[[], object]], *, few: int) -> float:
    """Return how many times as long ten times as much takes; making it ready does not count."""
    least, taken = (_seconds(work(size)) for size in (few, 10 * few))
    return taken / least


def _seconds(work: Callable[[], object]) -> float:
    return min(_once(work) for _ in range(ROUNDS))


def _once(work: Callable[[], object]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before

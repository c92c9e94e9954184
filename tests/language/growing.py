"""Measures how much longer a work takes when there is ten times as much of it."""

import gc
import time
from collections.abc import Callable

ROUNDS = 3
# Below this, measuring again could only tell the same: what grows with the square takes 100 times.
CLEARLY_LINEAR = 15


def times_longer(work: Callable[[int], Callable[[], object]], *, few: int) -> float:
    """Return how many times as long ten times as much takes; making it ready does not count."""
    small, large = work(few), work(10 * few)
    least = min(_once(small) for _ in range(ROUNDS))
    taken = _once(large)
    for _ in range(ROUNDS - 1):
        if taken > CLEARLY_LINEAR * least:
            taken = min(taken, _once(large))
    return taken / least


def _once(work: Callable[[], object]) -> float:
    # Whatever others left behind is nothing to this work.
    gc.disable()
    try:
        before = time.process_time()
        work()
        return time.process_time() - before
    finally:
        gc.enable()

"""What should be done soon is done soon at least once: a busy machine holds up one of a few."""

from collections.abc import Callable

TRIES = 10


def is_soon(once: Callable[[], float], *, within_s: float) -> bool:
    """Tell whether a thing, which returns how long it took, was ever done within a time."""
    return any(once() < within_s for _ in range(TRIES))

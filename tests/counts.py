"""Number of repetitions of a trial: few in `make test`, all in `make thorough`."""

import os

IS_FULL = os.environ.get("COUNTS") == "full"


def count(*, ci: int, full: int) -> int:
    """Return the small count, or the full one when `COUNTS=full` is set."""
    return full if IS_FULL else ci

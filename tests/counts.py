"""Number of repetitions of a trial: few in `make test`, all in `make thorough`."""

import os
from typing import TypeVar

T = TypeVar("T")

IS_FULL = os.environ.get("COUNTS") == "full"


def count(*, ci: T, full: T) -> T:
    """Return the small number (or other value), or the full one when `COUNTS=full` is set."""
    return full if IS_FULL else ci

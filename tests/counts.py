"""How often a trial is repeated: a few times in `make test`, in full in `make thorough`."""

import os


def count(*, ci: int, full: int) -> int:
    """Return the small count, or the full one when `COUNTS=full` is set."""
    return full if os.environ.get("COUNTS") == "full" else ci

"""Tells what is a moment: a date with a time, or a time of day."""

from datetime import datetime, time


def is_moment(text: str) -> bool:
    """Tell whether a text says when."""
    return _is_read_by(datetime, text) or _is_read_by(time, text)


def _is_read_by(kind: type[datetime] | type[time], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True

"""Run ids: ULIDs, which sort by time of creation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attractor.base.errors import UsageError

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH = 26
_RANDOM_BYTES = 10
_RANDOM_BITS = 8 * _RANDOM_BYTES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATEST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


def new_run_id(now: datetime, randomness: Callable[[int], bytes]) -> str:
    """Return a run id made of a time and ten random bytes."""
    if now.tzinfo is None or now < _EPOCH:
        raise UsageError(
            f"invalid time {now.isoformat()} for a run id",
            hint="use a time zone and a year from 1970; check the clock of the machine",
        )
    milliseconds = (now - _EPOCH) // _MILLISECOND
    value = milliseconds << _RANDOM_BITS | int.from_bytes(randomness(_RANDOM_BYTES), "big")
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(_LENGTH)))


def is_run_id(text: str) -> bool:
    """Return whether a text is a run id."""
    return (
        len(text) == _LENGTH
        and all(letter in _VALUES for letter in text)
        and _read(text) >> _RANDOM_BITS <= _LATEST_MS
    )


def time_of(run_id: str) -> datetime:
    """Return the time of creation of a run id, to the millisecond."""
    if not is_run_id(run_id):
        raise UsageError(
            f"invalid run id {run_id[:40]!r}",
            hint="a run id has 26 characters, such as 01JZ0000000000000000000000",
        )
    return _EPOCH + (_read(run_id) >> _RANDOM_BITS) * _MILLISECOND


def _read(text: str) -> int:
    value = 0
    for letter in text:
        value = value << 5 | _VALUES[letter]
    return value

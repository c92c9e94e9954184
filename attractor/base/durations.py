"""Durations as written in pipelines: an integer and a unit, such as `900s` or `15m`."""

from datetime import UTC, datetime, timedelta

from attractor.base.errors import InvalidDuration, UsageError, suggest
from attractor.base.patterns import late_pattern

# The longest unit first: the first unit that divides a duration gives the shortest text.
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_WORDS = {
    "day": "d",
    "days": "d",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "hrs": "h",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "millis": "ms",
    "millisecond": "ms",
    "milliseconds": "ms",
} | {unit: unit for unit in _UNITS}

# A hundred years, which can be added to any current date without an overflow.
_LONGEST = timedelta(days=36_500)
_LONGEST_DIGITS = len(str(_LONGEST // _UNITS["ms"]))

_DURATION = late_pattern(r"0*([0-9]+)(ms|s|m|h|d)")
DURATION_PATTERN = f"^{_DURATION.pattern}$"
"""The form of a duration, for schemas; a duration may also be too large."""
_NUMBER = late_pattern(r"[0-9]+")
_NUMBER_AND_WORD = late_pattern(r"([0-9]+)([^\W\d]+)")
_FRACTION = late_pattern(r"([0-9]*)[.,]([0-9]+)([^\W\d]*)")
_SEVERAL = late_pattern(r"(?:[0-9]{1,6}(?:ms|s|m|h|d)){2,5}")


def parse_duration(text: str) -> timedelta:
    """Parse a duration."""
    written = _DURATION.fullmatch(text)
    if written is None:
        raise _explain(text)
    digits, unit = written.groups()
    if len(digits) > _LONGEST_DIGITS or int(digits) > _LONGEST // _UNITS[unit]:
        raise _invalid(text, "is too large", f"the maximum is {format_duration(_LONGEST)}")
    return int(digits) * _UNITS[unit]


def parse_since(text: str, now: datetime, *, name: str) -> datetime:
    """Return a time, written as a time or as a duration before now; `name` is the option."""
    try:
        # A time without a zone is local.
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    try:
        return now - parse_duration(text)
    except (InvalidDuration, OverflowError) as cause:
        hint = "write a time such as 2026-01-31T09:30, or how long ago, such as 10m"
        raise UsageError(f"invalid time in {name}: {text}", hint=hint) from cause


def format_duration(duration: timedelta) -> str:
    """Write a duration in its shortest exact form, with one unit."""
    if not timedelta() <= duration <= _LONGEST or duration % _UNITS["ms"]:
        raise InvalidDuration(
            f"invalid duration {duration!r}",
            hint="use a whole number of milliseconds, from 0s to a hundred years",
        )
    if not duration:
        return "0s"
    unit = next(unit for unit, length in _UNITS.items() if not duration % length)
    return f"{duration // _UNITS[unit]}{unit}"


def format_age(age: timedelta) -> str:
    """Return the time since the start in its largest unit."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def describe_duration(duration: timedelta) -> str:
    """Write a duration for people, in its two largest units: `2h 5m`, `1m 30s`, `340ms`."""
    parts: list[tuple[int, str]] = []
    rest = max(duration, timedelta(0))
    for unit, length in _UNITS.items():
        number, rest = divmod(rest, length)
        if number or parts:
            parts.append((number, unit))
    words = [f"{number}{unit}" for number, unit in parts[:2] if number]
    return " ".join(words) or "0ms"


def _explain(text: str) -> InvalidDuration:
    if not text.strip():
        return InvalidDuration("empty duration")
    closed_up = "".join(text.split())
    if closed_up != text:
        hint = f"write {closed_up}" if _DURATION.fullmatch(closed_up) else ""
        return _invalid(text, "contains a blank", hint)
    if text.startswith(("-", "\N{MINUS SIGN}")):
        return _invalid(text, "is negative", "")
    if _NUMBER.fullmatch(text):
        return _invalid(text, "has no unit", f"write {_short(text)}s, or use ms, m, h or d")
    return _unit_mistake(text)


def _unit_mistake(text: str) -> InvalidDuration:
    if fraction := _FRACTION.fullmatch(text):
        return _invalid(text, "is a fraction", _whole(*fraction.groups()))
    if _SEVERAL.fullmatch(text):
        total = sum((int(n) * _UNITS[u] for n, u in _NUMBER_AND_WORD.findall(text)), timedelta())
        return _invalid(text, "has more than one unit", _write(total))
    if written := _NUMBER_AND_WORD.fullmatch(text):
        number, word = written.groups()
        unit = _unit(word)
        hint = f"did you mean {_short(number)}{unit}?" if unit else ""
        return _invalid(text, f"has an unknown unit {_short(word)!r}", hint)
    return _invalid(text, "is not a duration", "")


def _unit(word: str) -> str:
    """Return the unit that a word probably means; words of two letters are too ambiguous."""
    known = word.casefold()
    if len(known) > 2:
        known = suggest(known[:20], _WORDS)
    return _WORDS.get(known, "")


def _whole(before: str, after: str, word: str) -> str:
    """Return a hint that writes a fraction as a whole number, if possible."""
    unit = _unit(word)
    if not unit or len(before + after) > _LONGEST_DIGITS:
        return ""
    numerator = int(before + after) * (_UNITS[unit] // _UNITS["ms"])
    milliseconds, rest = divmod(numerator, 10 ** len(after))
    if rest:
        return "the smallest duration is 1ms"
    return _write(min(milliseconds, _LONGEST // _UNITS["ms"]) * _UNITS["ms"])


def _write(duration: timedelta) -> str:
    return f"write {format_duration(duration)}" if duration <= _LONGEST else ""


def _invalid(text: str, mistake: str, hint: str) -> InvalidDuration:
    return InvalidDuration(f"duration {_short(text)!r} {mistake}", hint=hint)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"

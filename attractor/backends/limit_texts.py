"""Recognizes that an account has reached a limit, and reads when the limit resets.

A limit is a known message, or an answer with the status 429 whose reset is more than a minute away:
shorter ones are a matter of retries. A status of 529 and a busy server are no limit.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attractor.base.dataclasses import dataclass
from attractor.base.json import canonical_json
from attractor.engine.truncation import shorten
from attractor.llm.errors import ProviderError, SDKError
from attractor.llm.transport.headers import read_retry_after

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LONGEST_RETRY = timedelta(seconds=60)
"""An answer with the status 429 that resets within this time is retried, and is no limit."""

TABLE = Path(__file__).with_name("limit_texts.toml")
LONGEST_WAIT = timedelta(days=32)
"""A reset that is farther away counts as unknown."""

_TOO_MANY = 429
_LONGEST_WORDS = 200
_LONGEST_MESSAGE = 400
_JUST_NOW = timedelta(minutes=5)
_JSON = re.compile(r"(?<![\[\s])[\[\s]*\{")
_MESSAGE = re.compile(r'"message":\s*"((?:[^"\\]|\\.)+)')
_UNIFIED_RESET = "anthropic-ratelimit-unified-reset"


@dataclass(frozen=True)
class Limit:
    """A limit of an account: the message, and when the limit resets (None: unknown).

    A limit that a person can end at any moment is tried again at `until`, however often that fails.
    """

    words: str
    until: datetime | None
    is_ended_by_person: bool = False


@dataclass(frozen=True)
class _Known:
    """A known message; `resets` replaces the message where the reset is read."""

    pattern: re.Pattern[str]
    resets: str


@cache
def _known() -> Sequence[_Known]:
    # Imported here: most runs reach no limit.
    import tomllib

    table: Mapping[str, Any] = tomllib.loads(TABLE.read_text("utf-8"))
    return [_Known(re.compile(row["pattern"]), row.get("resets", "")) for row in table["limit"]]


def find_limit(text: str, now: datetime, *, is_whole: bool = False) -> Limit | None:
    """Return the limit that a message reports.

    With `is_whole`, the message must begin with the report: an agent may also write about limits.
    """
    text = text.strip()
    if is_whole and len(text) > _LONGEST_MESSAGE:
        return None
    for known in _known():
        found = known.pattern.match(text) if is_whole else known.pattern.search(text)
        if found:
            until = read_reset(known.resets or text[found.start() :], now)
            sentence = _sentence(text, found.start())
            return Limit(_words(sentence), until or read_reset(text, now))
    return None


def limit_of_answer(
    status: int, headers: Mapping[str, str], body: str, now: datetime
) -> Limit | None:
    """Return the limit that an answer of a provider reports."""
    if status < 400:
        return None
    if status != _TOO_MANY:
        # Servers also quote a request that they refuse, with the words of the work.
        try:
            value: Any = json.loads(body)
            message = str(value["error"]["message"])
        except (ValueError, LookupError, TypeError, RecursionError):
            message = body
        return find_limit(message, now, is_whole=True)
    limit = find_limit(body, now)
    until = (limit and limit.until) or _reset_of_headers(headers, now) or read_reset(body, now)
    if limit:
        return Limit(limit.words, until)
    is_far = until is not None and until - now > LONGEST_RETRY
    return Limit(_words(_sentence(body)), until) if is_far else None


def limit_of_error(error: SDKError, now: datetime) -> Limit | None:
    """Return the limit that an error of a model call reports."""
    if not isinstance(error, ProviderError):
        return None
    wait = error.retry_after
    headers = {} if wait is None else {"retry-after": str(wait)}
    body = canonical_json(error.raw) if error.raw else ""
    limit = limit_of_answer(error.status_code or _TOO_MANY, headers, body, now)
    known = find_limit(error.message, now) if error.status_code in (None, _TOO_MANY) else None
    if limit is None and known is None:
        return None
    until = (known and known.until) or (limit and limit.until)
    return Limit(_words(error.message), until)


def _sentence(text: str, start: int = 0) -> str:
    """Return the sentence of a report that begins at `start`: of JSON, the message."""
    before_json = _JSON.split(text, 1)[0]
    if start < len(before_json):
        return before_json[start:]
    if (found := _MESSAGE.search(text)) is None:
        words = text[start:].partition('"')[0] if start else ""
        return words or text
    try:
        return _sentence(json.loads(f'"{found[1]}"', strict=False))
    except ValueError:  # an escape that is cut
        return found[1]


def _words(text: str) -> str:
    return shorten(" ".join(text.split()), _LONGEST_WORDS)


def _reset_of_headers(headers: Mapping[str, str], now: datetime) -> datetime | None:
    unified = headers.get(_UNIFIED_RESET, "")
    if unified.isdigit():
        return _sane(datetime.fromtimestamp(int(unified[:10]), UTC), now)
    seconds = read_retry_after(headers)
    return None if seconds is None else _after(seconds, now)


_EPOCH = re.compile(r'(?:reached\||"resets?_at":\s*)(\d{10})')
_IN_SECONDS = re.compile(r'"(?:resets?_in_seconds|retryDelay)":\s*"?(\d+(?:\.\d+)?)')
_UNIT = r"(?:days?|d|hours?|h|minutes?|min|m|seconds?|s)"
_DURATION = re.compile(
    rf"(?:again|retry|resets?)\s+(?:in|after)\s+((?:\d+(?:\.\d+)?\s*{_UNIT}[,\s]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DATE = re.compile(r"access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(
    r"(?:resets?|again at|reset at)\s+(?:(?:on|at)\s+)?"
    rf"(?:(?P<month>{'|'.join(_MONTHS)})\w*\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>\d{4}))?(?:,|\s+at)?\s*)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]m)?)?"
    r"(?:\s*\((?P<zone>[\w/+-]+)\))?",
    re.IGNORECASE,
)


def read_reset(text: str, now: datetime) -> datetime | None:
    """Return when a limit resets according to a text, in UTC; None if the text does not say it.

    A time of day is read in the zone that the text names, otherwise in that of the machine.
    """
    if found := _EPOCH.search(text):
        return _sane(datetime.fromtimestamp(int(found[1]), UTC), now)
    if found := _IN_SECONDS.search(text):
        return _after(float(found[1]), now)
    if found := _DURATION.search(text):
        parts = _PART.findall(found[1])
        return _after(sum(float(size) * _SECONDS[unit.lower()] for size, unit in parts), now)
    if found := _DATE.search(text):
        return _sane(datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00"), now)
    clocks = (_read_clock(found, now) for found in _CLOCK.finditer(text))
    return next(filter(None, clocks), None)


def _read_clock(found: re.Match[str], now: datetime) -> datetime | None:
    # Imported here: most runs reach no limit.
    from zoneinfo import ZoneInfo

    hour, month = found["hour"], found["month"]
    if hour is None and month is None:
        return None
    try:
        zone = ZoneInfo(found["zone"]) if found["zone"] else None
        local = now.astimezone(zone)
        of_day = _hours(int(hour or 0), found["half"] or ""), int(found["minute"] or 0)
        if month is None:
            days = [local.date(), local.date() + timedelta(1)]
        else:
            number = _MONTHS.index(month.lower()) + 1
            years = [int(found["year"])] if found["year"] else [local.year, local.year + 1]
            days = [date(year, number, int(found["day"])) for year in years]
        moments = [_in_zone(day, *of_day, zone) for day in days]
    except (ValueError, OSError, KeyError):  # an invalid time, or an unknown zone
        return None
    # A message that arrives a moment after its reset does not mean tomorrow.
    return next((_sane(moment, now) for moment in moments if moment > now - _JUST_NOW), None)


def _hours(hour: int, half: str) -> int:
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"invalid hour {hour}")
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _in_zone(day: date, hour: int, minute: int, zone: "ZoneInfo | None") -> datetime:
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    return moment.astimezone(UTC)


def _after(seconds: float, now: datetime) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds <= LONGEST_WAIT.total_seconds() else None


def _sane(moment: datetime, now: datetime) -> datetime | None:
    return moment if moment - now <= LONGEST_WAIT else None

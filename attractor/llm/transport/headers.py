"""Reads retry delays and rate limits from the headers of providers."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from attractor.base.clock import SystemClock
from attractor.llm.response import RateLimitInfo

OPENAI_LIMITS: Mapping[str, str] = {
    "requests_remaining": "x-ratelimit-remaining-requests",
    "requests_limit": "x-ratelimit-limit-requests",
    "tokens_remaining": "x-ratelimit-remaining-tokens",
    "tokens_limit": "x-ratelimit-limit-tokens",
    "requests_reset": "x-ratelimit-reset-requests",
    "tokens_reset": "x-ratelimit-reset-tokens",
}
"""Names of headers, by the names used in this module."""
ANTHROPIC_LIMITS: Mapping[str, str] = {
    "requests_remaining": "anthropic-ratelimit-requests-remaining",
    "requests_limit": "anthropic-ratelimit-requests-limit",
    "tokens_remaining": "anthropic-ratelimit-tokens-remaining",
    "tokens_limit": "anthropic-ratelimit-tokens-limit",
    "requests_reset": "anthropic-ratelimit-requests-reset",
    "tokens_reset": "anthropic-ratelimit-tokens-reset",
}
"""Names of headers, by the names used in this module."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


class _Reset(NamedTuple):
    """The time when a limit resets, and the seconds until this time, as far as known."""

    at: datetime | None = None
    after: float | None = None

    @property
    def sort_key(self) -> tuple[float, datetime]:
        """A sort key, greater for a later reset."""
        return -1.0 if self.after is None else self.after, self.at or _LONG_AGO


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait before a retry, from a number of seconds or a date.

    A date counts from the date of the answer (default: the time of this machine).
    """
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(headers.get("date", "")) or SystemClock().now()
    return max(0.0, (until - now).total_seconds())


def read_rate_limit(headers: Mapping[str, str], names: Mapping[str, str]) -> RateLimitInfo | None:
    """Return the rate limits of a provider; None if the headers contain no rate limit."""
    values = {ours: headers[theirs] for ours, theirs in names.items() if theirs in headers}
    if not values:
        return None
    now = _http_date(headers.get("date", ""))
    requests_left = _count(values.get("requests_remaining"))
    tokens_left = _count(values.get("tokens_remaining"))
    requests = _reset(values.get("requests_reset", ""), now)
    tokens = _reset(values.get("tokens_reset", ""), now)
    exhausted = [
        reset for left, reset in ((requests_left, requests), (tokens_left, tokens)) if left == 0
    ]
    reset = max(exhausted or [requests], key=lambda reset: reset.sort_key)
    return RateLimitInfo(
        requests_remaining=requests_left,
        requests_limit=_count(values.get("requests_limit")),
        tokens_remaining=tokens_left,
        tokens_limit=_count(values.get("tokens_limit")),
        reset_at=reset.at,
        reset_after=reset.after,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reset(text: str, now: datetime | None) -> _Reset:
    """Parse a reset: an ISO date, or a duration such as `6m0s`."""
    duration = _DURATION.fullmatch(text)
    if text and duration:
        hours, minutes, seconds, milliseconds = (float(group or 0) for group in duration.groups())
        after = ((hours * 60 + minutes) * 60 + seconds) + milliseconds / 1000
        return _Reset(_add(now, after), after if math.isfinite(after) else None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _Reset()
    at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _Reset(at, max(0.0, (at - now).total_seconds()) if now else None)


def _add(now: datetime | None, seconds: float) -> datetime | None:
    try:
        return now + timedelta(seconds=seconds) if now else None
    except OverflowError:
        return None

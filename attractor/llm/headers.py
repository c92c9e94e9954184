"""Reads what providers say in headers: how long to wait, and what is left."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from attractor.llm.response import RateLimitInfo

# The names each provider uses, ours on the left.
OPENAI_LIMITS: Mapping[str, str] = {
    "requests_remaining": "x-ratelimit-remaining-requests",
    "requests_limit": "x-ratelimit-limit-requests",
    "tokens_remaining": "x-ratelimit-remaining-tokens",
    "tokens_limit": "x-ratelimit-limit-tokens",
    "reset_at": "x-ratelimit-reset-requests",
}
ANTHROPIC_LIMITS: Mapping[str, str] = {
    "requests_remaining": "anthropic-ratelimit-requests-remaining",
    "requests_limit": "anthropic-ratelimit-requests-limit",
    "tokens_remaining": "anthropic-ratelimit-tokens-remaining",
    "tokens_limit": "anthropic-ratelimit-tokens-limit",
    "reset_at": "anthropic-ratelimit-requests-reset",
}
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the provider asks to wait, told in seconds or as a date."""
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    until, now = _http_date(text), _http_date(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def read_rate_limit(headers: Mapping[str, str], names: Mapping[str, str]) -> RateLimitInfo | None:
    """Return what the provider says is left, None when it says nothing."""
    told = {ours: headers[theirs] for ours, theirs in names.items() if theirs in headers}
    if not told:
        return None
    return RateLimitInfo(
        requests_remaining=_count(told.get("requests_remaining")),
        requests_limit=_count(told.get("requests_limit")),
        tokens_remaining=_count(told.get("tokens_remaining")),
        tokens_limit=_count(told.get("tokens_limit")),
        reset_at=_moment(told.get("reset_at", ""), _http_date(headers.get("date", ""))),
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


def _moment(text: str, now: datetime | None) -> datetime | None:
    """Read a moment told as a date, or as a span such as `6m0s` from now."""
    span = _SPAN.fullmatch(text)
    if text and span and now:
        hours, minutes, seconds, milliseconds = (float(one or 0) for one in span.groups())
        return _later(now, ((hours * 60 + minutes) * 60 + seconds) + milliseconds / 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _later(now: datetime, seconds: float) -> datetime | None:
    try:
        return now + timedelta(seconds=seconds)
    except OverflowError:
        return None

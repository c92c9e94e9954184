"""Reads what providers say in headers: how long to wait, and what is left."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from attractor.llm.response import RateLimitInfo

# The names each provider uses, ours on the left.
OPENAI_LIMITS: Mapping[str, str] = {
    "requests_remaining": "x-ratelimit-remaining-requests",
    "requests_limit": "x-ratelimit-limit-requests",
    "tokens_remaining": "x-ratelimit-remaining-tokens",
    "tokens_limit": "x-ratelimit-limit-tokens",
    "requests_reset": "x-ratelimit-reset-requests",
    "tokens_reset": "x-ratelimit-reset-tokens",
}
ANTHROPIC_LIMITS: Mapping[str, str] = {
    "requests_remaining": "anthropic-ratelimit-requests-remaining",
    "requests_limit": "anthropic-ratelimit-requests-limit",
    "tokens_remaining": "anthropic-ratelimit-tokens-remaining",
    "tokens_limit": "anthropic-ratelimit-tokens-limit",
    "requests_reset": "anthropic-ratelimit-requests-reset",
    "tokens_reset": "anthropic-ratelimit-tokens-reset",
}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


class _Reset(NamedTuple):
    """When something is counted anew, as far as it is told."""

    at: datetime | None = None
    after: float | None = None

    @property
    def order(self) -> tuple[float, datetime]:
        """What the later one of two has more of."""
        return -1.0 if self.after is None else self.after, self.at or _LONG_AGO


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
    now = _http_date(headers.get("date", ""))
    requests_left = _count(told.get("requests_remaining"))
    tokens_left = _count(told.get("tokens_remaining"))
    requests = _reset(told.get("requests_reset", ""), now)
    tokens = _reset(told.get("tokens_reset", ""), now)
    used_up = [one for left, one in ((requests_left, requests), (tokens_left, tokens)) if left == 0]
    reset = max(used_up or [requests], key=lambda one: one.order)
    return RateLimitInfo(
        requests_remaining=requests_left,
        requests_limit=_count(told.get("requests_limit")),
        tokens_remaining=tokens_left,
        tokens_limit=_count(told.get("tokens_limit")),
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
    """Read when something is counted anew: told as a date, or as a span such as `6m0s` from now."""
    span = _SPAN.fullmatch(text)
    if text and span:
        hours, minutes, seconds, milliseconds = (float(one or 0) for one in span.groups())
        after = ((hours * 60 + minutes) * 60 + seconds) + milliseconds / 1000
        return _Reset(_later(now, after), after if math.isfinite(after) else None)
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return _Reset()
    at = told if told.tzinfo else told.replace(tzinfo=UTC)
    return _Reset(at, max(0.0, (at - now).total_seconds()) if now else None)


def _later(now: datetime | None, seconds: float) -> datetime | None:
    try:
        return now + timedelta(seconds=seconds) if now else None
    except OverflowError:
        return None

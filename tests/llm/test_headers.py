from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.llm import RateLimitInfo
from attractor.llm.headers import (
    ANTHROPIC_LIMITS,
    OPENAI_LIMITS,
    read_rate_limit,
    read_retry_after,
)

DATE = "Mon, 02 Nov 2026 10:00:00 GMT"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("Mon, 02 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 02 Nov 2026 09:00:00 GMT", 0.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert read_retry_after({"retry-after": text, "date": DATE}) == seconds


def test_a_date_to_wait_for_means_nothing_without_the_date_of_the_answer() -> None:
    assert read_retry_after({"retry-after": DATE}) is None
    assert read_retry_after({}) is None


@pytest.mark.parametrize(
    ("reset", "moment", "seconds"),
    [
        ("2h", NOON, 7200),
        ("1h59m60s", NOON, 7200),
        ("6m0s", datetime(2026, 11, 2, 10, 6, tzinfo=UTC), 360),
        ("120ms", datetime(2026, 11, 2, 10, 0, 0, 120_000, tzinfo=UTC), 0.12),
        ("2026-11-02T12:00:00Z", NOON, 7200),
        ("2026-11-02T09:00:00Z", datetime(2026, 11, 2, 9, tzinfo=UTC), 0),
        ("9999999999999h", None, 9999999999999 * 3600),
        ("9" * 400 + "h", None, None),
        ("later", None, None),
    ],
)
def test_the_moment_of_a_reset_is_a_date_or_a_span(
    reset: str, moment: datetime | None, seconds: float | None
) -> None:
    headers = {"x-ratelimit-reset-requests": reset, "date": DATE}
    told = RateLimitInfo(reset_at=moment, reset_after=seconds)
    assert read_rate_limit(headers, OPENAI_LIMITS) == told


def test_a_span_is_known_without_the_date_of_the_answer() -> None:
    spanned = read_rate_limit({"x-ratelimit-reset-requests": "2s"}, OPENAI_LIMITS)
    assert spanned == RateLimitInfo(reset_after=2.0)
    dated = read_rate_limit({"x-ratelimit-reset-requests": "2026-11-02T12:00:00Z"}, OPENAI_LIMITS)
    assert dated == RateLimitInfo(reset_at=NOON)


@pytest.mark.parametrize(
    ("requests", "tokens", "seconds"),
    [("9", "0", 20), ("0", "9", 1), ("0", "0", 20), ("9", "9", 1), ("9", None, 1)],
)
@pytest.mark.parametrize("names", [OPENAI_LIMITS, ANTHROPIC_LIMITS], ids=["openai", "anthropic"])
def test_the_reset_is_that_of_what_is_used_up(
    names: Mapping[str, str], requests: str, tokens: str | None, seconds: int
) -> None:
    spans = ("1s", "20s")
    if names is ANTHROPIC_LIMITS:
        spans = ("2026-11-02T10:00:01Z", "2026-11-02T10:00:20Z")
    headers = {
        names["requests_remaining"]: requests,
        names["requests_reset"]: spans[0],
        names["tokens_reset"]: spans[1],
        "date": DATE,
    }
    if tokens is not None:
        headers[names["tokens_remaining"]] = tokens
    told = read_rate_limit(headers, names)
    assert told is not None
    assert told.reset_after == seconds
    assert told.reset_at == datetime(2026, 11, 2, 10, 0, seconds, tzinfo=UTC)


def test_each_provider_has_names_of_its_own() -> None:
    openai = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-limit-tokens": "100"}
    assert read_rate_limit(openai, OPENAI_LIMITS) == RateLimitInfo(9, tokens_limit=100)
    anthropic = {"anthropic-ratelimit-requests-limit": "50"}
    assert read_rate_limit(anthropic, ANTHROPIC_LIMITS) == RateLimitInfo(requests_limit=50)
    assert read_rate_limit(openai, ANTHROPIC_LIMITS) is None


@given(st.text(), st.text(), st.text())
def test_no_header_breaks_anything(one: str, two: str, three: str) -> None:
    seconds = read_retry_after({"retry-after": one, "date": two})
    assert seconds is None or seconds >= 0
    names = {"x-ratelimit-remaining-requests": one, "date": two}
    limit = read_rate_limit(names | {"x-ratelimit-reset-requests": three}, OPENAI_LIMITS)
    assert isinstance(limit, RateLimitInfo)
    assert limit.requests_limit is None
    assert limit.reset_at is None or limit.reset_at.tzinfo is not None
    assert limit.reset_after is None or limit.reset_after >= 0


@pytest.mark.parametrize("year", ["99999999999999999999", "10000"])
def test_an_impossible_date_is_no_date(year: str) -> None:
    impossible = DATE.replace("2026", year)
    assert read_retry_after({"retry-after": impossible, "date": DATE}) is None

"""Recorded messages of limits are recognized, each with its reset; other messages are no limits."""

import json
import time
import tomllib
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from attractor.backends.limit_texts import (
    TABLE,
    Limit,
    find_limit,
    limit_of_answer,
    limit_of_error,
    read_reset,
)
from attractor.base.json import JsonObject
from attractor.llm.errors import RateLimitError, ServerError

NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)
RECORDED: list[Mapping[str, str]] = [
    one for limit in tomllib.loads(TABLE.read_text("utf-8"))["limit"] for one in limit["recorded"]
]
NO_LIMITS = [
    "Server is temporarily limiting requests (not your usage limit) · Rate limited",
    "Overloaded",
    "API Error: Repeated 529 Overloaded errors",
    "You've hit your fast limit · resets in 5m",
    "You've hit your monthly spend limit. See Usage in Settings",
    "Your credit balance is too low to access the Anthropic API",
    "You exceeded your current quota, please check your plan and billing details.",
    "",
]


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def until_of(limit: Limit | None) -> str:
    if limit is None:
        return "no limit"
    return limit.until.isoformat() if limit.until else ""


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"{one['program']} {one['version']}")
def test_a_recorded_text_is_a_limit_with_its_reset(one: Mapping[str, str]) -> None:
    now = datetime.fromisoformat(one["at"]) if "at" in one else NOW
    assert until_of(find_limit(one["text"], now)) == one["resets"]


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: f"{one['program']} {one['version']}")
def test_message_of_a_limit_is_its_sentence(one: Mapping[str, str]) -> None:
    texts = [one["text"]]
    if "{" not in one["text"]:
        error = {"error": {"message": one["text"], "code": 429}}
        whole = f"API Error: 429 {json.dumps(error, ensure_ascii=False)}"
        cut = whole.partition('", "code"')[0]
        texts += [whole, cut, one["text"] + ' {"request_id": "req_1"}']
    for text in texts:
        found = find_limit(text, NOW)
        assert found
        assert found.words[0].isalnum()
        assert not set('{}"\\') & {*found.words}, found.words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '{"error": {"type": "usage_limit_reached", "message": "The limit is met"}}',
            "The limit is",
        ),
        ('{"detail": "The usage limit has been reached"}', "The usage limit has been reached"),
        ('{"error": {"message": "Slow \\u00e9 down"}, "id": 7}', "Slow é down"),
        ('[{"error": {"message": "Slow down"}}]', "Slow down"),
        ('{"error": "Slow down"}', '{"error": "Slow down"}'),
    ],
)
def test_message_of_an_answer_is_its_sentence(body: str, words: str) -> None:
    limit = limit_of_answer(429, {"retry-after": "3600"}, body, NOW)
    assert limit
    assert limit.words.startswith(words)


def test_the_table_has_recorded_texts_of_every_program() -> None:
    assert len(RECORDED) >= 12
    programs = {one["program"] for one in RECORDED}
    native = {"Anthropic API", "OpenAI API", "Gemini API"}
    assert {"claude", "codex", "gemini", "opencode", *native} <= programs
    assert all(one["version"] for one in RECORDED)


def test_other_messages_are_no_limits() -> None:
    assert [until_of(find_limit(text, NOW)) for text in NO_LIMITS] == ["no limit"] * len(NO_LIMITS)


def test_an_agent_may_write_about_limits() -> None:
    text = "You've hit your session limit · resets 3:10am"
    assert find_limit(text, NOW, is_whole=True)
    for prose in (f"The page says: {text}", text + ". I changed the texts." + "x" * 400):
        assert find_limit(prose, NOW, is_whole=True) is None


ANSWERS: list[tuple[int, dict[str, str], str, str]] = [
    # status, headers, body, reset
    (429, {"retry-after": "3600"}, "slow down", "2026-11-23T21:00:00+00:00"),
    (429, {"retry-after": "60"}, "slow down", "no limit"),
    (429, {}, "slow down", "no limit"),
    (529, {"retry-after": "3600"}, "overloaded", "no limit"),
    (
        429,
        {"anthropic-ratelimit-unified-reset": "1795478400", "retry-after": "5"},
        "This request would exceed your account's rate limit.",
        "2026-11-24T00:00:00+00:00",
    ),
    (429, {}, '{"details": [{"retryDelay": "300s"}]}', "2026-11-23T20:05:00+00:00"),
    (429, {"retry-after": "20"}, "The usage limit has been reached", "2026-11-23T20:00:20+00:00"),
    (403, {}, "The usage limit has been reached", ""),
    (
        400,
        {"request-id": "req_1"},
        '{"error": {"message": "You have reached your specified API usage limits. '
        'You will regain access on 2026-12-01 at 00:00 UTC."}}',
        "2026-12-01T00:00:00+00:00",
    ),
    # A server quotes the request that it refuses.
    (
        400,
        {},
        '{"error": {"message": "invalid: \\"The usage limit has been reached\\""}}',
        "no limit",
    ),
    (422, {}, '[{"input": "The usage limit has been reached"}]', "no limit"),
    (200, {"retry-after": "3600"}, "The usage limit has been reached", "no limit"),
]


def test_an_answer_is_a_limit_by_its_text_or_by_a_far_reset() -> None:
    for status, headers, body, expected in ANSWERS:
        assert until_of(limit_of_answer(status, headers, body, NOW)) == expected, body


def test_an_error_of_a_native_provider_is_a_limit() -> None:
    raw: JsonObject = {"error": {"type": "usage_limit_reached", "resets_in_seconds": 20}}
    error = RateLimitError("openai answered 429: later", provider="openai", raw=raw)
    assert until_of(limit_of_error(error, NOW)) == "2026-11-23T20:00:20+00:00"
    far = RateLimitError("anthropic answered 429: later", provider="anthropic", retry_after=61.0)
    assert until_of(limit_of_error(far, NOW)) == "2026-11-23T20:01:01+00:00"
    busy = ServerError("overloaded", provider="anthropic", status_code=529, retry_after=600.0)
    assert limit_of_error(busy, NOW) is None
    quoted = "openai answered 400: invalid: 'The usage limit has been reached'"
    assert limit_of_error(ServerError(quoted, provider="openai", status_code=400), NOW) is None


def test_a_time_of_day_is_read_in_its_zone() -> None:
    late = datetime(2026, 3, 28, 23, tzinfo=UTC)  # the night in which summer time begins
    cases: dict[str, tuple[datetime, str]] = {
        "resets 3:10am": (late, "2026-03-29T01:10:00+00:00"),
        "resets 12am (UTC)": (late, "2026-03-29T00:00:00+00:00"),
        "resets 12pm (Asia/Tokyo)": (late, "2026-03-29T03:00:00+00:00"),
        "resets Jan 2, 5pm (UTC)": (NOW, ""),  # farther away than a month
        "resets Dec 2 at 5pm (UTC)": (NOW, "2026-12-02T17:00:00+00:00"),
        # A message that arrives a moment later does not mean tomorrow.
        "resets 8:59pm": (NOW, "2026-11-23T19:59:00+00:00"),
        "resets 8:50pm": (NOW, "2026-11-24T19:50:00+00:00"),
        "resets 25pm": (NOW, ""),
        "resets 3am (Mars/Olympus)": (NOW, ""),
        "resets soon": (NOW, ""),
        "try again in 1 hour and 30 minutes": (NOW, "2026-11-23T21:30:00+00:00"),
    }
    for text, (now, expected) in cases.items():
        found = read_reset(text, now)
        assert (found.isoformat() if found else "") == expected, text
    assert read_reset("reached|1795478400", NOW + timedelta(days=9)) == datetime(
        2026, 11, 24, tzinfo=UTC
    )

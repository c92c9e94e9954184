from base64 import b64encode

import pytest

from attractor.twins.hidden_keys import (
    credentials_in,
    is_secret,
    keys_of,
    without_keys,
)

KEY = "sk-very/secret+1"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": f"Bearer {KEY}"}, ""),
        ({"X-Api-Key": KEY}, ""),
        ({"x-goog-api-key": KEY}, ""),
        ({"cookie": f"a=1; session={KEY}"}, ""),
        ({}, "alt=sse&key=sk-very%2Fsecret%2B1"),
    ],
)
def test_a_key_is_hidden_however_it_is_written(headers: dict[str, str], query: str) -> None:
    keys = keys_of(headers, query)
    told = f'{{"message": "{KEY} is wrong", "url": "/?key=sk-very%2Fsecret%2B1"}}'
    assert "secret" not in keys.hide_text(told)
    assert keys.hide(b"nothing") == b"nothing"


def test_what_is_too_short_for_a_key_does_not_tear_words_apart() -> None:
    assert keys_of({"authorization": "Bearer k"}, "").hide_text("ok, look") == "ok, look"


def test_the_longest_is_hidden_first() -> None:
    keys = keys_of({"x-api-key": "abcdef", "authorization": "Bearer abcdefgh"}, "")
    assert keys.hide_text("abcdefgh abcdef") == "[hidden] [hidden]"


def test_a_query_keeps_what_is_no_key() -> None:
    assert without_keys("alt=sse&key=secret&Access_Token=1") == "alt=sse"
    assert without_keys("") == ""


def test_a_query_is_left_as_it_was_written() -> None:
    assert without_keys("a=b%20c&flag&key=secret&a=+") == "a=b%20c&flag&a=+"
    assert without_keys("sig=1&a=2&s%69g=3", ["sig"]) == "a=2"


def test_more_names_may_hold_a_key() -> None:
    keys = keys_of({"x-shop": KEY}, "sig=another-key", ["x-shop", "sig"])
    assert keys.hide_text(f"{KEY} another-key") == "[hidden] [hidden]"


def test_other_headers_are_no_secret() -> None:
    assert is_secret("Authorization")
    assert not is_secret("anthropic-version")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("jonathan:hunter2-xyz", ["jonathan:hunter2-xyz", "hunter2-xyz"]),
        ("hunter2-xyz:", ["hunter2-xyz:", "hunter2-xyz"]),
        (
            "hunter2-xyz:x-oauth-basic",
            ["hunter2-xyz:x-oauth-basic", "hunter2-xyz", "x-oauth-basic"],
        ),
        ("a:b", []),
    ],
)
def test_the_credentials_in_basic_are_its_password_or_a_user_that_is_the_key(
    said: str, found: list[str]
) -> None:
    assert list(credentials_in(f"Basic {b64encode(said.encode()).decode()}")) == found
    assert list(credentials_in("Basic é")) == list(credentials_in(f"Bearer {said}")) == []


def test_the_name_of_a_scheme_is_no_key() -> None:
    keys = keys_of({"authorization": "Bearer sk-secret"}, "")
    assert keys.hide_text("www-authenticate: Bearer, not sk-secret") == (
        "www-authenticate: Bearer, not [hidden]"
    )

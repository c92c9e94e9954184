import pytest

from attractor.twins.hidden_keys import is_secret, keys_of, without_keys, without_secrets_in_address

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


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://a/b?x=1&token=abc", "https://a/b?x=1&token=[hidden]"),
        (
            "/b?api_key=a&page_token=b#id_token=c",
            "/b?api_key=[hidden]&page_token=b#id_token=[hidden]",
        ),
        ('<https://a?key=1>; rel="next"', '<https://a?key=[hidden]>; rel="next"'),
        ("/plain", "/plain"),
    ],
)
def test_secrets_in_addresses_are_hidden(address: str, told: str) -> None:
    assert without_secrets_in_address(address) == told


def test_other_headers_are_no_secret() -> None:
    assert is_secret("Authorization")
    assert not is_secret("anthropic-version")

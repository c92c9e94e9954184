import json
from base64 import b64encode

from hypothesis import given, strategies as st

from attractor.twins.recordings.redaction import (
    RequestKeys,
    credentials_in,
    hide_in_body,
    hide_in_events,
    is_secret_header,
    query_without_keys,
    request_keys,
)
from attractor.twins.wires.request_body import enclose, is_intact, seal
from tests.tables import table

KEY = "sk-very/secret+1"


def test_key_is_hidden_in_any_encoding() -> None:
    for headers, query in (
        ({"authorization": f"Bearer {KEY}"}, ""),
        ({"X-Api-Key": KEY}, ""),
        ({"x-goog-api-key": KEY}, ""),
        ({"cookie": f"a=1; session={KEY}"}, ""),
        ({}, "alt=sse&key=sk-very%2Fsecret%2B1"),
    ):
        keys = request_keys(headers, query)
        told = f'{{"message": "{KEY} is wrong", "url": "/?key=sk-very%2Fsecret%2B1"}}'
        assert "secret" not in keys.hide_text(told)
        assert keys.hide(b"nothing") == b"nothing"


def test_short_key_is_not_hidden() -> None:
    assert request_keys({"authorization": "Bearer k"}, "").hide_text("ok, look") == "ok, look"


def test_longest_key_is_hidden_first() -> None:
    keys = request_keys({"x-api-key": "abcdef", "authorization": "Bearer abcdefgh"}, "")
    assert keys.hide_text("abcdefgh abcdef") == "[hidden] [hidden]"


def test_query_keeps_other_parameters() -> None:
    assert query_without_keys("alt=sse&key=secret&Access_Token=1") == "alt=sse"
    assert query_without_keys("") == ""


def test_query_keeps_its_encoding() -> None:
    assert query_without_keys("a=b%20c&flag&key=secret&a=+") == "a=b%20c&flag&a=+"
    assert query_without_keys("sig=1&a=2&s%69g=3", ["sig"]) == "a=2"


def test_additional_key_names_are_hidden() -> None:
    keys = request_keys({"x-shop": KEY}, "sig=another-key", ["x-shop", "sig"])
    assert keys.hide_text(f"{KEY} another-key") == "[hidden] [hidden]"


def test_only_known_headers_are_secret() -> None:
    assert is_secret_header("Authorization")
    assert not is_secret_header("anthropic-version")


def test_basic_credentials_include_password_and_key_as_user() -> None:
    for said, found in (
        ("jonathan:hunter2-xyz", ["jonathan:hunter2-xyz", "hunter2-xyz"]),
        ("hunter2-xyz:", ["hunter2-xyz:", "hunter2-xyz"]),
        (
            "hunter2-xyz:x-oauth-basic",
            ["hunter2-xyz:x-oauth-basic", "hunter2-xyz", "x-oauth-basic"],
        ),
        ("a:b", []),
    ):
        assert list(credentials_in(f"Basic {b64encode(said.encode()).decode()}")) == found
        assert list(credentials_in("Basic é")) == list(credentials_in(f"Bearer {said}")) == []


def test_authentication_scheme_is_not_hidden() -> None:
    keys = request_keys({"authorization": "Bearer sk-secret"}, "")
    assert keys.hide_text("www-authenticate: Bearer, not sk-secret") == (
        "www-authenticate: Bearer, not [hidden]"
    )


HIDING_KEY = "sk-SECRETKEY-abcdefghijklmnop"
KEYS = RequestKeys([HIDING_KEY])


def event(**told: object) -> bytes:
    return b"event: delta\ndata: " + json.dumps(told).encode() + b"\n\n"


def texts(events: list[bytes], keys: RequestKeys = KEYS) -> list[str]:
    hidden = hide_in_events(events, keys)
    return [json.loads(one.split(b"data: ")[1])["delta"]["text"] for one in hidden]


@table("size", [1, 3, 7, 40])
def test_key_split_over_stream_events_is_hidden(size: int) -> None:
    text = f"the key {HIDING_KEY} and {HIDING_KEY}."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    told = texts([event(delta={"text": one}) for one in pieces])
    assert "".join(told) == "the key [hidden] and [hidden]."
    assert len(told) == len(pieces)


def test_key_with_an_equals_sign_split_over_stream_events_is_hidden() -> None:
    for key in ("sk-first-part=second-part", "first=second=third=="):
        keys = request_keys({"authorization": f"Bearer {key}"}, "")
        text = json.dumps({"command": f"curl -H 'x: {key}' {key}"})
        for size in range(1, len(text)):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            told = "".join(texts([event(delta={"text": one}) for one in pieces], keys))
            assert json.loads(told) == {"command": "curl -H 'x: [hidden]' [hidden]"}


def test_events_without_a_key_are_unchanged() -> None:
    events = [b'data:  {"a" : "b"}\r\n\r\n', b": ping\n\n", b"data: [DONE]\n\n", b"data: {"]
    assert hide_in_events(events, KEYS) == events


def test_only_events_with_a_part_of_the_key_are_rewritten() -> None:
    first, *rest = [
        event(delta={"text": one}) for one in ("so ", HIDING_KEY[:9], HIDING_KEY[9:] + " end")
    ]
    untouched, *hidden = hide_in_events([first, *rest], KEYS)
    assert untouched == first
    assert [one.startswith(b"event: delta\ndata: {") for one in hidden] == [True, True]


def test_key_in_a_body_is_hidden_in_any_encoding() -> None:
    for body in (
        json.dumps({"a": [HIDING_KEY]}),
        json.dumps({HIDING_KEY: {"b": f"<{HIDING_KEY}>"}}),
        '{"a": "' + "".join(f"\\u{ord(one):04x}" for one in HIDING_KEY) + '"}',
        f"<p>{HIDING_KEY}</p>",
    ):
        hidden = hide_in_body(body.encode(), KEYS)
        assert b"[hidden]" in hidden
        assert HIDING_KEY not in hidden.decode()
        assert b"u0073" not in hidden


def test_body_without_a_key_is_unchanged() -> None:
    body = b'{"b" : 1,\t"a":"\\u00e9"}'
    assert hide_in_body(body, KEYS) == body


@table("key", ["YWJjZGVmZ2hpamtsbW5v+A==", "abcdefgh=", "abc=defgh"])
def test_key_may_end_in_base64_padding(key: str) -> None:
    keys = request_keys({"authorization": f"Bearer {key}"}, "")
    assert keys.hide_text(f"no {key}!") == "no [hidden]!"


@given(st.text())
def test_enclosed_text_is_intact(text: str) -> None:
    assert is_intact(enclose(text))
    assert seal(text) == seal(text)


@given(st.text(), st.text())
def test_a_seal_belongs_to_one_text(one: str, other: str) -> None:
    assert (seal(one) == seal(other)) == (one == other)


@given(st.text(), st.integers(0), st.characters())
def test_any_change_of_an_enclosed_text_is_detected(text: str, at: int, letter: str) -> None:
    whole = enclose(text)
    place = at % len(whole)
    changed = whole[:place] + letter + whole[place + 1 :]
    assert is_intact(changed) == (changed == whole)


def test_other_text_is_not_intact() -> None:
    assert not any(map(is_intact, ["", ".", "text", "dGV4dA==", "dGV4dA==.", "é.é"]))

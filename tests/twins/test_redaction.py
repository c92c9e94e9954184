import json
from base64 import b64encode
from codecs import BOM_UTF16_LE

from hypothesis import given, strategies as st

from attractor.twins.redaction import (
    ApiKeys,
    credentials_in,
    hidden_body,
    hide_in_body,
    hide_in_events,
    is_secret_header,
    is_secret_name,
    query_without_keys,
    request_keys,
    without_secrets_in_text,
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
        message = f'{{"message": "{KEY} is wrong", "url": "/?key=sk-very%2Fsecret%2B1"}}'
        assert "secret" not in keys.text(message)
        assert keys.content(b"nothing") == b"nothing"


def test_short_key_is_not_hidden() -> None:
    assert request_keys({"authorization": "Bearer k"}, "").text("ok, look") == "ok, look"


def test_longest_key_is_hidden_first() -> None:
    keys = request_keys({"x-api-key": "abcdef", "authorization": "Bearer abcdefgh"}, "")
    assert keys.text("abcdefgh abcdef") == "[hidden] [hidden]"


def test_query_keeps_other_parameters() -> None:
    assert query_without_keys("alt=sse&key=secret&Access_Token=1") == "alt=sse"
    assert query_without_keys("") == ""


def test_query_keeps_its_encoding() -> None:
    assert query_without_keys("a=b%20c&flag&key=secret&a=+") == "a=b%20c&flag&a=+"
    assert query_without_keys("sig=1&a=2&s%69g=3", ["sig"]) == "a=2"


def test_additional_key_names_are_hidden() -> None:
    keys = request_keys({"x-shop": KEY}, "sig=another-key", ["x-shop", "sig"])
    assert keys.text(f"{KEY} another-key") == "[hidden] [hidden]"


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
    assert keys.text("www-authenticate: Bearer, not sk-secret") == (
        "www-authenticate: Bearer, not [hidden]"
    )


HIDING_KEY = "sk-SECRETKEY-abcdefghijklmnop"
KEYS = ApiKeys([HIDING_KEY])


def event(**expected: object) -> bytes:
    return b"event: delta\ndata: " + json.dumps(expected).encode() + b"\n\n"


def texts(events: list[bytes], keys: ApiKeys = KEYS) -> list[str]:
    hidden = hide_in_events(events, keys)
    return [json.loads(one.split(b"data: ")[1])["delta"]["text"] for one in hidden]


@table("size", [1, 3, 7, 40])
def test_key_split_over_stream_events_is_hidden(size: int) -> None:
    text = f"the key {HIDING_KEY} and {HIDING_KEY}."
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    found = texts([event(delta={"text": one}) for one in pieces])
    assert "".join(found) == "the key [hidden] and [hidden]."
    assert len(found) == len(pieces)


def test_key_with_an_equals_sign_split_over_stream_events_is_hidden() -> None:
    for key in ("sk-first-part=second-part", "first=second=third=="):
        keys = request_keys({"authorization": f"Bearer {key}"}, "")
        text = json.dumps({"command": f"curl -H 'x: {key}' {key}"})
        for size in range(1, len(text)):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            message = "".join(texts([event(delta={"text": one}) for one in pieces], keys))
            assert json.loads(message) == {"command": "curl -H 'x: [hidden]' [hidden]"}


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
    assert keys.text(f"no {key}!") == "no [hidden]!"


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


PARTS = (
    '--B\r\nContent-Disposition: form-data; name="user"\r\n\r\nada\r\n'
    '--B\r\nContent-Disposition: form-data; name="new_password"\r\n\r\n{0}\r\n'
    '--B\r\nContent-Disposition: form-data; name="f"; filename="a.json"\r\n\r\n'
    '{{"token": "{1}"}}\r\n--B--\r\n'
)


def kept(text: str) -> str:
    return text.replace("my-key", "[hidden]")


@table("boundary", ["B", '"B"'])
def test_fields_in_parts_are_hidden_by_their_names(boundary: str) -> None:
    content = PARTS.format("two\r\nlines", "t").encode()
    made = hidden_body(content, f"multipart/form-data; boundary={boundary}", kept)
    assert made.decode() == PARTS.format("[hidden]", "[hidden]")


def test_invalid_text_does_not_prevent_redaction() -> None:
    content = PARTS.format("pw", "t").encode() + b"\xff\xfe\x00"
    made = hidden_body(content, "multipart/form-data; boundary=B", kept)
    assert made == PARTS.format("[hidden]", "[hidden]").encode() + b"\xff\xfe\x00"


@table("letters", ["utf-8-sig", "utf-16"])
def test_a_mark_before_json_hides_nothing_from_view(letters: str) -> None:
    content = '{"password": "pw", "a": "my-key"}'.encode(letters)
    made = hidden_body(content, "application/json", kept)
    assert made == '{"password": "[hidden]", "a": "[hidden]"}'.encode(letters)


def test_binary_body_is_unchanged() -> None:
    half = BOM_UTF16_LE + b"a"
    assert hidden_body(half, "application/json", kept) == half
    picture = bytes(range(256)) * 2
    assert hidden_body(picture, "image/png", kept) == picture


WRITTEN_KEY = 'k-"1/ü 9'


def test_key_is_found_in_every_spelling() -> None:
    for written in (
        WRITTEN_KEY,
        "k%2D%221%2fü%209",
        "k-%22" + "1%2F%C3%BC+9",
        "k%252D%25221%252F%25C3%25BC%25209",
        r"k\u002d\"1\/\u00FC 9",
        r"\\u006b-\\\"1/\\u00fc 9",
    ):
        assert ApiKeys([WRITTEN_KEY]).text(f"<{written}>") == "<[hidden]>"


def test_other_texts_stay_and_the_longest_key_is_hidden_first() -> None:
    keys = ApiKeys(["abcdef", "abcdefgh", ""])
    assert keys.text("abcdefgh %61bcdef 100% a+b") == "[hidden] [hidden] 100% a+b"


@table(
    "name",
    [
        *("password", "new_password", "secretKey", "client-secret", "Authorization", "sig", "SIG"),
        *("X-Amz-Signature", "client_assertion", "session", "sessionId", "accessToken", "API_KEY"),
        *("userOTP", "aws_access_key_id", "csrfTokens"),
    ],
)
def test_secret_names_are_found_in_any_case(name: str) -> None:
    assert is_secret_name(name)


@table(
    "name",
    ["design", "author", "key", "id", "next_token", "pageToken", "NextContinuationToken", "code"],
)
def test_other_names_and_tokens_of_pages_are_plain(name: str) -> None:
    assert not is_secret_name(name)


def test_secret_fields_in_text_are_hidden() -> None:
    for text, message in (
        ('{"password": "pw", "a": 1.0}', '{"password": "[hidden]", "a": 1.0}'),
        ('\ufeff{"password":"pw"}', '\ufeff{"password":"[hidden]"}'),
        (
            '{"id":1,"token":"t"}\n{"token":"u"}\n',
            '{"id":1,"token":"[hidden]"}\n{"token":"[hidden]"}\n',
        ),
        ('data: {"pass\\u0077ord": "a\\"b"}', 'data: {"pass\\u0077ord": "[hidden]"}'),
        (
            '{"secrets": ["a", ["b"]], "c": "d"}',
            '{"secrets": ["[hidden]", ["[hidden]"]], "c": "d"}',
        ),
        ('{"secret": {"kind": "x"}, "c": ["d"]}', '{"secret": {"kind": "x"}, "c": ["d"]}'),
        ('{"token": "", "a": "token"}', '{"token": "", "a": "token"}'),
        ('{"token": "t", "broken', '{"token": "[hidden]", "broken'),
        ('<a secret="s" b="c">', '<a secret="[hidden]" b="c">'),
        (
            "see https://a/b?x=1&access_token=abc now",
            "see https://a/b?x=1&access_token=[hidden] now",
        ),
        ('{"u": "/?a=1\\u0026key=x\\u002By"}', '{"u": "/?a=1&key=[hidden]"}'),
        ("/?to=https%3A%2F%2Fa%3Ftoken%3Dt", "/?to=https%3A%2F%2Fa%3Ftoken%3D%5Bhidden%5D"),
        ("https://me:pw@host/x", "https://[hidden]@host/x"),
        ("/x?key=1&page_token=b", "/x?key=[hidden]&page_token=b"),
        ("nothing = here", "nothing = here"),
    ):
        assert without_secrets_in_text(text) == message


def test_json_in_strings_of_json_is_looked_through() -> None:
    inner = json.dumps({"password": "pw", "n": json.dumps({"token": "t"})})
    found = json.loads(without_secrets_in_text(json.dumps({"event": inner})))
    event = json.loads(found["event"])
    assert (event["password"], json.loads(event["n"])) == ("[hidden]", {"token": "[hidden]"})

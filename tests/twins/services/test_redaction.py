import json
from codecs import BOM_UTF16_LE

from attractor.twins.services.redaction import (
    KeyFinder,
    hidden_body,
    is_secret_name,
    without_secrets_in_text,
)
from tests.tables import table

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


KEY = 'k-"1/ü 9'


def test_key_is_found_in_every_spelling() -> None:
    for written in (
        KEY,
        "k%2D%221%2fü%209",
        "k-%22" + "1%2F%C3%BC+9",
        "k%252D%25221%252F%25C3%25BC%25209",
        r"k\u002d\"1\/\u00FC 9",
        r"\\u006b-\\\"1/\\u00fc 9",
    ):
        assert KeyFinder([KEY]).hide(f"<{written}>") == "<[hidden]>"


def test_other_texts_stay_and_the_longest_key_is_hidden_first() -> None:
    keys = KeyFinder(["abcdef", "abcdefgh", ""])
    assert keys.hide("abcdefgh %61bcdef 100% a+b") == "[hidden] [hidden] 100% a+b"


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
    for text, told in (
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
        assert without_secrets_in_text(text) == told


def test_json_in_strings_of_json_is_looked_through() -> None:
    inner = json.dumps({"password": "pw", "n": json.dumps({"token": "t"})})
    found = json.loads(without_secrets_in_text(json.dumps({"event": inner})))
    event = json.loads(found["event"])
    assert (event["password"], json.loads(event["n"])) == ("[hidden]", {"token": "[hidden]"})

import json

import pytest

from attractor.twins.services.secrets_in_texts import without_secrets_in_text


@pytest.mark.parametrize(
    ("text", "told"),
    [
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
    ],
)
def test_what_its_name_says_is_secret_is_hidden(text: str, told: str) -> None:
    assert without_secrets_in_text(text) == told


def test_json_in_strings_of_json_is_looked_through() -> None:
    inner = json.dumps({"password": "pw", "n": json.dumps({"token": "t"})})
    found = json.loads(without_secrets_in_text(json.dumps({"event": inner})))
    event = json.loads(found["event"])
    assert (event["password"], json.loads(event["n"])) == ("[hidden]", {"token": "[hidden]"})

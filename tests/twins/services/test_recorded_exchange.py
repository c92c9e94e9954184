import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attractor.twins.services.recordings import (
    RecordedExchange,
    exchange_line,
    parse_recording,
    recorded_exchange,
)
from attractor.twins.services.request import FORM, ServiceRequest, ServiceResponse
from attractor.twins.services.service import parse_service
from tests.twins.services.asking import fixed

SECRET = "s3cret/+key"
AUTH = '[auth]\nkind = "{kind}"\nname = "{name}"\nkey = "other"\n'
HEADER = AUTH.format(kind="header", name="X-Shop")
QUERY = AUTH.format(kind="query", name="sig")
JSON = {"content-type": "application/json"}


def exchange(
    target: str = "/x",
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    answer: ServiceResponse | None = None,
    toml: str = HEADER,
) -> RecordedExchange:
    service = parse_service(f'name = "s"\n{toml}' + fixed("1"))
    asked = ServiceRequest("POST", target, headers or {}, content)
    made = recorded_exchange(service, asked, answer or ServiceResponse())
    # It is read again unchanged.
    assert list(parse_recording(exchange_line(made))) == [made]
    return made


def test_client_key_is_not_recorded() -> None:
    for toml, target, headers in (
        (HEADER, "/x", {"x-shop": SECRET}),
        (HEADER, "/x", {"authorization": f"Bearer {SECRET}"}),
        (HEADER, "/x", {"cookie": f"session={SECRET}"}),
        (QUERY, "/x?a=1&sig=s3cret%2F%2Bkey", {}),
        (QUERY, "/x?a=1&api_key=s3cret%2F%2Bkey", {}),
    ):
        text = json.dumps({"you": SECRET, "list": [SECRET]}).encode()
        answer = ServiceResponse(200, {**JSON, "location": f"/x/{SECRET}"}, text)
        made = exchange(target, {**JSON, **headers}, text, answer, toml)
        written = exchange_line(made)
        assert "s3cret" not in written
        assert made.request.path.partition("?")[2] in ("", "a=1")
        assert made.request.body == {"you": "[hidden]", "list": ["[hidden]"]}
        assert made.response.headers["location"] == "/x/[hidden]"


BEARER = "Bearer hunter2-REALSECRET-xyz"


def basic(said: str) -> str:
    return f"Basic {b64encode(said.encode()).decode()}"


def test_escaped_client_key_is_not_recorded() -> None:
    for said in (BEARER, basic("user:hunter2-REALSECRET-xyz"), basic("hunter2-REALSECRET-xyz:")):
        written_key = rb"hunter2\u002dREALSECRET\u002Dxyz"
        found = b'{"a": "%s", "%s": ["%s"]}' % (written_key, written_key, written_key)
        answer = ServiceResponse(200, {**JSON, "location": "/x/hunter2%2dREALSECRET-xyz"}, found)
        target = "/x/hunter2%2DREALSECRET-xyz?q=hunter2%252DREALSECRET-xyz"
        made = exchange(target, {**JSON, "authorization": said}, found, answer)
        assert "REALSECRET" not in exchange_line(made)
        assert made.request.path == "/x/[hidden]?q=[hidden]"
        assert made.response.body == {"a": "[hidden]", "[hidden]": ["[hidden]"]}


def test_secrets_in_forms_and_matched_headers_are_hidden() -> None:
    route = '[[routes]]\npath = "/y"\nkind = "fixed"\nwhen.header = { x-session-token = "a" }\n'
    content = urlencode({"secretKey": "s", "next": "/a?token=t", "j": '{"otp": "1"}'}).encode()
    made = exchange("/x", {"content-type": FORM, "x-session-token": "a"}, content, toml=route)
    assert made.request.headers == {"content-type": FORM}
    fields = {"secretKey": "[hidden]", "next": "/a?token=[hidden]", "j": '{"otp": "[hidden]"}'}
    assert made.request.body == fields


def test_values_of_secret_names_are_hidden() -> None:
    given: dict[str, Any] = {"user": "ada", "password": "pw", "deep": [{"apiKey": "a"}]}
    answered = {"access_token": "t", "Refresh-Token": "r", "next_token_at": 5, "token": 7}
    answer = ServiceResponse(302, {"location": "https://a/b?code=1&token=abc#access_token=x"})
    made = exchange("/x?n=1&Password=pw", content=json.dumps(given).encode(), answer=answer)
    assert made.request.path == "/x?n=1&Password=[hidden]"
    assert made.request.body == {
        "user": "ada",
        "password": "[hidden]",
        "deep": [{"apiKey": "[hidden]"}],
    }
    location = "https://a/b?code=1&token=[hidden]#access_token=[hidden]"
    assert made.response.headers == {"location": location}
    made = exchange(answer=ServiceResponse(200, JSON, json.dumps(answered).encode()))
    assert made.response.body == {
        "access_token": "[hidden]",
        "Refresh-Token": "[hidden]",
        "next_token_at": 5,
        "token": 7,
    }


def test_account_headers_are_not_recorded() -> None:
    asked = {**JSON, "user-agent": "me", "x-device": "mine", "idempotency-key": "1"}
    answered = {**JSON, "set-cookie": "a=b", "x-account": "me", "x-ratelimit-left": "3"}
    made = exchange(headers=asked, answer=ServiceResponse(200, answered, b"{}"))
    assert made.request.headers == {**JSON, "idempotency-key": "1"}
    assert made.response.headers == {**JSON, "x-ratelimit-left": "3"}


def test_matched_headers_are_recorded() -> None:
    toml = 'check.headers = ["X-Total", "set-cookie"]\n'
    route = '[[routes]]\npath = "/y"\nkind = "fixed"\nwhen.header = { X-Mode = "a" }\n'
    answer = ServiceResponse(200, {"x-total": "3", "set-cookie": "a=b"})
    made = exchange(headers={"x-mode": "a"}, answer=answer, toml=toml + route)
    assert made.request.headers == {"x-mode": "a"}
    assert made.response.headers == {"x-total": "3"}


def test_form_with_a_repeated_field_stays_text() -> None:
    for content, body in (
        (b"a=1&b=x+y", {"a": "1", "b": "x y"}),
        (b"a=1&a=2&password=pw", "a=1&a=2&password=%5Bhidden%5D"),
        (b"", None),
    ):
        made = exchange(headers={"content-type": FORM}, content=content)
        assert made.request.body == body
        sent = made.request.request()
        if b"password" not in content:
            assert sent.content == content


def test_binary_bodies_are_recorded() -> None:
    picture = bytes(range(256))
    answer = ServiceResponse(200, {"content-type": "image/png"}, picture)
    made = exchange(content=picture, headers={"content-type": "image/png"}, answer=answer)
    assert made.request.request().content == made.response.response().content == picture


def test_text_and_scalar_bodies_are_recorded() -> None:
    for content in (b"hello", b"5", b'"a"', b"", b'{"a": 1e400}'):
        made = exchange(answer=ServiceResponse(200, {"content-type": "text/plain"}, content))
        assert made.response.response().content == content

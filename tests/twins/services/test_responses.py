import pytest

from attractor.twins.services.responses import Response, WrittenResponse, checked_headers
from attractor.twins.services.templates import TemplateTrouble


def test_a_body_is_json_or_text_with_its_length() -> None:
    one = WrittenResponse.model_validate({"json": {"a": "{{ x }}"}, "headers": {"X-A": "{{ x }}"}})
    reply = one.written({"x": "é"}).reply
    assert reply.body == '{"a":"é"}'.encode()
    assert reply.headers == {"content-type": "application/json", "x-a": "é", "content-length": "10"}
    text = WrittenResponse.model_validate({"body": "hi {{ x }}"}).written({"x": 1})
    assert (text.content, text.headers) == (b"hi 1", {"content-type": "text/plain; charset=utf-8"})


def test_what_has_no_body_says_no_length() -> None:
    assert dict(Response(204).reply.headers) == {}
    assert dict(Response(200).reply.headers) == {"content-length": "0"}


@pytest.mark.parametrize(
    "table", [{"json": 1, "body": "a"}, {"status": 204, "body": "a"}, {"status": 99}]
)
def test_bodies_that_contradict_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exclude|no body|greater"):
        WrittenResponse.model_validate(table)


@pytest.mark.parametrize(
    "headers", [{"a b": "1"}, {"a": "1\r\nb: 2"}, {"a": "€"}, {"Content-Length": "3"}]
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(TemplateTrouble, match="header"):
        checked_headers(headers)

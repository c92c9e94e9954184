import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.errors import Rejection
from attractor.twins.services.kinds.list import Paging
from attractor.twins.services.response import ResponseTable, ServiceResponse, checked_headers
from attractor.twins.services.templates import ExpressionError


def test_a_body_is_json_or_text_with_its_length() -> None:
    one = ResponseTable.model_validate({"json": {"a": "{{ x }}"}, "headers": {"X-A": "{{ x }}"}})
    reply = one.render({"x": "é"}).reply
    assert reply.body == '{"a":"é"}'.encode()
    assert reply.headers == {"content-type": "application/json", "x-a": "é", "content-length": "10"}
    text = ResponseTable.model_validate({"body": "hi {{ x }}"}).render({"x": 1})
    assert (text.content, text.headers) == (b"hi 1", {"content-type": "text/plain; charset=utf-8"})


def test_response_without_body_has_no_length() -> None:
    assert dict(ServiceResponse(204).reply.headers) == {}
    assert dict(ServiceResponse(200).reply.headers) == {"content-length": "0"}


@pytest.mark.parametrize(
    "table", [{"json": 1, "body": "a"}, {"status": 204, "body": "a"}, {"status": 99}]
)
def test_contradicting_bodies_are_rejected(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exclude|no body|greater"):
        ResponseTable.model_validate(table)


@pytest.mark.parametrize(
    "headers", [{"a b": "1"}, {"a": "1\r\nb: 2"}, {"a": "€"}, {"Content-Length": "3"}]
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ExpressionError, match="header"):
        checked_headers(headers)


BY = ["cursor", "offset", "page"]


def paging(by: str, **more: int) -> Paging:
    return Paging.model_validate({"by": by, "at": "at", "size": "size", **more})


@given(st.sampled_from(BY), st.integers(0, 12), st.integers(1, 5))
def test_paging_returns_every_record_once(by: str, count: int, size: int) -> None:
    records = {f"r{number}": number for number in range(count)}
    query, found = {"size": str(size)}, list[object]()
    for _ in range(count + 1):
        page = paging(by).cut({**records}, query)
        assert page.total == count
        found += page.records
        if page.next is None:
            break
        query["at"] = str(page.next)
    assert found == list(records.values())


def test_a_page_is_never_larger_than_the_most() -> None:
    records = {str(number): number for number in range(9)}
    one = paging("offset", default=2, most=3)
    assert [len(one.cut({**records}, {"size": size}).records) for size in "139"] == [1, 3, 3]
    assert len(one.cut({**records}, {}).records) == 2
    assert paging("page").cut({}, {}).names() == {
        "records": [],
        "total": 0,
        "has_more": False,
        "next": None,
    }


@pytest.mark.parametrize(
    ("by", "query"),
    [
        ("cursor", {"at": "nowhere"}),
        ("offset", {"at": "-1"}),
        ("page", {"at": "0"}),
        ("page", {"size": "x"}),
        ("page", {"size": "9" * 5000}),
    ],
)
def test_invalid_page_is_rejected(by: str, query: dict[str, str]) -> None:
    with pytest.raises(Rejection, match="at|size") as caught:
        paging(by).cut({"a": 1}, query)
    assert caught.value.status == 400


def test_a_default_above_the_most_is_refused() -> None:
    with pytest.raises(ValueError, match="exceeds most"):
        paging("page", default=5, most=3)

""""""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from attractor.twins.errors import Rejection
from attractor.twins.services.authentication import Authentication
from attractor.twins.services.dispatch import ServiceDispatcher
from attractor.twins.services.kinds.list import Paging
from attractor.twins.services.request import (
    ResponseTable,
    ServiceRequest,
    ServiceResponse,
    checked_headers,
)
from attractor.twins.services.route import FaultRule
from attractor.twins.services.service import parse_service
from attractor.twins.services.service_twin import ServiceTwin
from attractor.twins.services.templates import ExpressionError
from tests.twins.services.asking import Asked, fixed


def body(content: bytes, kind: str = "application/json") -> object:
    return ServiceRequest("POST", "/", {"content-type": kind}, content).body


def test_body_is_parsed_by_content() -> None:
    assert body(b"") is None
    assert body(b'{"a": 1}', "text/plain") == {"a": 1}
    assert body(b"a=1&b=x+y&c=", "application/x-www-form-urlencoded; charset=utf-8") == {
        "a": "1",
        "b": "x y",
        "c": "",
    }
    assert body(b"{no") == "{no"
    assert body(b"\xff") == "\ufffd"


def test_paths_and_queries_are_decoded_part_by_part() -> None:
    request = ServiceRequest("GET", "/a%2Fb/c?x=1&x=2&y=%26", {})
    assert request.canonical_path == "/a%2Fb/c"
    assert request.query == {"x": "2", "y": "&"}
    assert request.path == "/a%2Fb/c"
    # A target that begins with two slashes is not the address of a host.
    assert ServiceRequest("GET", "//[a?b=c", {}).query == {"b": "c"}


PLAIN = ServiceRequest("GET", "/x?a=1", {})
KINDS: list[dict[str, Any]] = [
    {"kind": "bearer", "key": "k 1"},
    {"kind": "basic", "key": "user:password"},
    {"kind": "header", "name": "X-Key", "key": "k1"},
    {"kind": "query", "name": "api_key", "key": "k&1"},
]


@pytest.mark.parametrize("table", KINDS, ids=lambda one: one["kind"])
def test_only_a_request_with_the_key_is_accepted(table: dict[str, Any]) -> None:
    auth = Authentication.model_validate(table)
    assert not auth.accepts(PLAIN)
    assert auth.accepts(auth.with_key(PLAIN))
    other = Authentication.model_validate({**table, "key": "other:one"})
    assert not auth.accepts(other.with_key(PLAIN))
    assert auth.without_key(auth.with_key(PLAIN)).target == "/x?a=1"


def test_authentication_scheme_is_case_insensitive() -> None:
    auth = Authentication.model_validate(KINDS[1])
    coded = base64.b64encode(b"user:password").decode()
    assert auth.accepts(ServiceRequest("GET", "/", {"authorization": f"basic {coded}"}))
    assert not auth.accepts(ServiceRequest("GET", "/", {"authorization": f"Bearer {coded}"}))


def test_incomplete_authentication_is_rejected() -> None:
    for table in (
        {"kind": "header", "key": "k"},
        {"kind": "bearer", "key": "k", "name": "x"},
        {"kind": "basic", "key": "k"},
        {"kind": "bearer", "key": ""},
        {"kind": "bearer", "key": "k", "status": 200},
    ):
        with pytest.raises(ValueError, match="."):
            Authentication.model_validate(table)


def test_missing_key_gets_the_declared_error() -> None:
    auth = '[auth]\nkind = "bearer"\nkey = "k"\nstatus = 403\njson = { no = "{{ code }}" }\n'
    ask = Asked(auth + fixed("1"))
    assert ask("GET /x") == (403, {"no": "unauthorized"})
    assert ask("GET /x", authorization="Bearer k") == (200, 1)


def test_any_of_several_authentication_schemes_is_accepted() -> None:
    first = '[[auth]]\nkind = "header"\nname = "X-Key"\nkey = "one-secret"\nstatus = 403\n'
    others = '[[auth]]\nkind = "bearer"\nkey = "two-secret"\n'
    others += '[[auth]]\nkind = "query"\nname = "key"\nkey = "three-secret"\n'
    seen = fixed('{ query = "{{ query }}" }')
    ask = Asked(first + others + seen)
    for headers in ({"x_key": "one-secret"}, {"authorization": "Bearer two-secret"}):
        assert ask("GET /x", **headers) == (200, {"query": {}})
    assert ask("GET /x?key=three-secret&a=1") == (200, {"query": {"a": "1"}})
    assert ask("GET /x?key=one-secret", x_key="two-secret")[0] == ask("GET /x")[0] == 403
    text = json.dumps([one.record() for one in ask.dispatcher.requests])
    assert "secret" not in text
    twin = ServiceTwin(
        parse_service('name = "s"\nenviron.K = "{{ key }}"\n' + first + others + seen)
    )
    assert twin.environ() == {"K": "one-secret"}


def test_status_of_an_error_can_be_declared() -> None:
    routes = """
    errors.status = { missing_field = 422, not_found = 410, conflict = 422 }
    errors.json = { error = "{{ code }} {{ status }}" }
    [collections.c]
    id = "{{ body.id }}"
    [[routes]]
    path = "/c"
    method = "POST"
    kind = "create"
    collection = "c"
    required = ["a"]
    [[routes]]
    path = "/c/{id}"
    kind = "get"
    collection = "c"
    faults = [{ kind = "status", status = 503, code = "not_found", on = [2] }]
    """
    ask = Asked(routes)
    assert ask("POST /c", {"id": 1}) == (422, {"error": "missing_field 422"})
    assert ask("POST /c", [1]) == (400, {"error": "invalid_body 400"})
    assert [ask("POST /c", {"id": 1, "a": 2})[0] for _ in range(2)] == [201, 422]
    assert ask("GET /c/5") == (410, {"error": "not_found 410"})
    assert ask("GET /c/5") == (503, {"error": "not_found 503"})


def test_empty_headers_are_left_out() -> None:
    templates = 'headers = { x-a = "{{ query.a }}", x-b = "<{{ query.a }}>", x-c = "{{ body }}" }\n'
    auth = '[auth]\nkind = "bearer"\nkey = "k"\n' + templates
    routes = fixed("1", f"{templates}auth = false\n") + fixed("1").replace("/x", "/y")
    dispatcher = ServiceDispatcher(parse_service(f'name = "s"\nerrors.{templates}{auth}{routes}'))
    for path in ("/x", "/y"):
        for query, body, sent in (
            ("?a=1", b"[2]", {"x-a": "1", "x-b": "<1>", "x-c": "[2]"}),
            ("?a=", b"", {"x-b": "<>"}),
            ("?a=0", b"0", {"x-a": "0", "x-b": "<0>", "x-c": "0"}),
        ):
            reply = dispatcher.answer(ServiceRequest("GET", path + query, {}, body))
            found = {name: value for name, value in reply.headers.items() if name[:2] == "x-"}
            assert found == sent, path


def test_route_without_authentication() -> None:
    ask = Asked('[auth]\nkind = "bearer"\nkey = "k"\n' + fixed("1", "auth = false"))
    assert ask("GET /x") == (200, 1)


def test_key_in_the_query_is_not_a_list_filter() -> None:
    auth = '[auth]\nkind = "query"\nname = "key"\nkey = "k"\n[state]\nc = []\n'
    ask = Asked(auth + '[[routes]]\npath = "/c"\nkind = "list"\ncollection = "c"')
    assert ask("GET /c?key=k") == (200, [])
    assert ask("GET /c?key=k&x=1")[0] == 400
    assert [one.query["key"] for one in ask.dispatcher.requests] == ["[hidden]"] * 2


def trouble(**table: Any) -> FaultRule:
    return FaultRule.model_validate({"kind": "refused", **table})


def test_fault_matches_the_declared_requests() -> None:
    for when, met in (
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"on": [1, 3]}, [1, 3]),
        ({"every": 3}, [3, 6]),
        ({"first": 2}, [1, 2]),
        ({"probability": 1.0}, [1, 2, 3, 4, 5, 6]),
    ):
        one = trouble(**when)
        assert [number for number in range(1, 7) if one.matches(number, 0, "")] == met


def test_fault_probability_is_about_as_declared() -> None:
    count = sum(trouble(probability=0.2).matches(number, 1, "s") for number in range(1000))
    assert 150 < count < 250


def test_fault_performs_the_request_by_default() -> None:
    for table, performed in (
        ({"kind": "status"}, False),
        ({"kind": "status", "performed": True}, True),
        ({"kind": "refused"}, False),
        ({"kind": "cut"}, True),
        ({"kind": "hang", "performed": False}, False),
        ({"kind": "delay", "delay": "1s"}, True),
    ):
        assert FaultRule.model_validate(table).is_performed is performed


def test_invalid_tables_are_rejected() -> None:
    for table, message in (
        ({"kind": "cut", "status": 500}, "invalid key 'status'"),
        ({"kind": "cut", "on": [1], "first": 2}, "cannot be combined"),
        ({"kind": "cut", "on": [0]}, "greater than or equal to 1"),
        ({"kind": "delay"}, "requires a delay"),
        ({"kind": "delay", "delay": "1s", "performed": False}, "performed cannot be set"),
        ({"kind": "delay", "delay": "1 s"}, "blank"),
        ({"kind": "smoke"}, "'status', 'refused'"),
        ({"kind": "cut", "probability": 0.0}, "greater than 0"),
    ):
        with pytest.raises(ValueError, match=message):
            FaultRule.model_validate(table)


AUTH = '[auth]\nkind = "header"\nname = "X-Pay"\nkey = "s3cret/+"\n'


def test_keys_are_hidden_in_all_parts_of_a_request() -> None:
    ask = Asked(AUTH + fixed("1"))
    ask("GET /x?k=s3cret%2F%2B&n=1", {"a": ["s3cret/+", 2]}, x_pay="s3cret/+", cookie="c")
    ask("GET /s3cret%2F%2B", authorization="Bearer other", x_api_key="theirs")
    first, second = (one.record() for one in ask.dispatcher.requests)
    assert first["headers"] == {"x-pay": "[hidden]", "cookie": "[hidden]"}
    assert first["query"] == {"k": "[hidden]", "n": "1"}
    assert first["body"] == {"a": ["[hidden]", 2]}
    assert second["path"] == "/[hidden]"
    assert "[hidden]" in str(second["why"])
    text = json.dumps([first, second])
    assert not [one for one in ("s3cret", "other", "theirs") if one in text]


def test_request_log_has_route_time_and_fault() -> None:
    ask = Asked(
        'clock.step = "1m"\n' + fixed("1", 'name = "it"\nfaults = [{ kind = "cut", on = [2] }]')
    )
    ask("GET /x")
    ask("GET /x")
    found = [
        (one.number, one.at, one.route, one.visit, one.status, one.fault)
        for one in ask.dispatcher.requests
    ]
    assert found == [
        (1, "2026-01-01T00:00:00Z", "it", 1, 200, ""),
        (2, "2026-01-01T00:01:00Z", "it", 2, 200, "cut"),
    ]


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


def test_contradicting_bodies_are_rejected() -> None:
    for table in ({"json": 1, "body": "a"}, {"status": 204, "body": "a"}, {"status": 99}):
        with pytest.raises(ValueError, match="combined|cannot have a body|greater"):
            ResponseTable.model_validate(table)


def test_headers_that_cannot_be_sent_are_refused() -> None:
    for headers in ({"a b": "1"}, {"a": "1\r\nb: 2"}, {"a": "€"}, {"Content-Length": "3"}):
        with pytest.raises(ExpressionError, match="header"):
            checked_headers(headers)


BY = ["cursor", "offset", "page"]


def paging(by: str, **more: int) -> Paging:
    return Paging.model_validate({"by": by, "at": "at", "size": "size", **more})


@given(st.sampled_from(BY), st.integers(0, 12), st.integers(1, 5))
@example("cursor", 3, 1)
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


def test_invalid_page_is_rejected() -> None:
    for by, query in (
        ("cursor", {"at": "nowhere"}),
        ("offset", {"at": "-1"}),
        ("page", {"at": "0"}),
        ("page", {"size": "x"}),
        ("page", {"size": "9" * 5000}),
    ):
        with pytest.raises(Rejection, match="at|size") as caught:
            paging(by).cut({"a": 1}, query)
        assert caught.value.status == 400


def test_default_greater_than_the_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="must not exceed most"):
        paging("page", default=5, most=3)

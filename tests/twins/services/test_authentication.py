import base64
from typing import Any

import pytest

from attractor.twins.services.authentication import Authentication
from attractor.twins.services.requests import ServiceRequest
from tests.twins.services.asking import Asked, fixed

PLAIN = ServiceRequest("GET", "/x?a=1", {})
KINDS: list[dict[str, Any]] = [
    {"kind": "bearer", "key": "k 1"},
    {"kind": "basic", "key": "user:password"},
    {"kind": "header", "name": "X-Key", "key": "k1"},
    {"kind": "query", "name": "api_key", "key": "k&1"},
]


@pytest.mark.parametrize("table", KINDS, ids=lambda one: one["kind"])
def test_a_request_with_the_key_is_let_in_and_no_other(table: dict[str, Any]) -> None:
    auth = Authentication.model_validate(table)
    assert not auth.lets_in(PLAIN)
    assert auth.lets_in(auth.with_key(PLAIN))
    other = Authentication.model_validate({**table, "key": "other:one"})
    assert not auth.lets_in(other.with_key(PLAIN))
    assert auth.without_key(auth.with_key(PLAIN)).target == "/x?a=1"


def test_the_scheme_may_be_written_in_small_letters() -> None:
    auth = Authentication.model_validate(KINDS[1])
    coded = base64.b64encode(b"user:password").decode()
    assert auth.lets_in(ServiceRequest("GET", "/", {"authorization": f"basic {coded}"}))
    assert not auth.lets_in(ServiceRequest("GET", "/", {"authorization": f"Bearer {coded}"}))


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "header", "key": "k"},
        {"kind": "bearer", "key": "k", "name": "x"},
        {"kind": "basic", "key": "k"},
        {"kind": "bearer", "key": ""},
        {"kind": "bearer", "key": "k", "status": 200},
    ],
)
def test_what_is_not_whole_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="."):
        Authentication.model_validate(table)


def test_who_lacks_the_key_is_told_in_the_declared_shape() -> None:
    auth = '[auth]\nkind = "bearer"\nkey = "k"\nstatus = 403\njson = { no = "{{ code }}" }\n'
    ask = Asked(auth + fixed("1"))
    assert ask("GET /x") == (403, {"no": "unauthorized"})
    assert ask("GET /x", authorization="Bearer k") == (200, 1)


def test_a_route_may_be_open_to_all() -> None:
    ask = Asked('[auth]\nkind = "bearer"\nkey = "k"\n' + fixed("1", "auth = false"))
    assert ask("GET /x") == (200, 1)


def test_a_key_in_the_query_is_no_filter_of_a_list() -> None:
    auth = '[auth]\nkind = "query"\nname = "key"\nkey = "k"\n[state]\nc = []\n'
    ask = Asked(auth + '[[routes]]\npath = "/c"\nkind = "list"\ncollection = "c"')
    assert ask("GET /c?key=k") == (200, [])
    assert ask("GET /c?key=k&x=1")[0] == 400
    assert [one.query["key"] for one in ask.stand_in.requests] == ["[hidden]"] * 2

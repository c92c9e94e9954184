""""""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from attractor.base.json import Json
from attractor.twins.recordings.json_diff import JsonPath, path_of, walk
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.route import PathPattern, RouteConditions, members
from tests.tables import table
from tests.twins.services.asking import Asked


def test_a_pattern_takes_paths_of_its_form() -> None:
    for pattern, path, found in (
        ("/v1/customers", "v1/customers", {}),
        ("/v1/customers/{id}", "v1/customers/c1", {"id": "c1"}),
        ("/{a}/x/{b}", "1/x/2", {"a": "1", "b": "2"}),
        ("/files/{name...}", "files/a/b", {"name": "a/b"}),
        ("/files/{name...}", "files", None),
        ("/files/{name...}", "files/", {"name": ""}),
        ("/files/{name...}", "files/a/", {"name": "a"}),
        ("/{rest...}", "", {"rest": ""}),
        ("/{id}", "", None),
        ("/", "", {}),
        ("/v1/customers", "v1/customers/", {}),
        ("/v1/customers/{id}", "v1/customers", None),
        ("/v1/customers/{id}", "v1/customers/", None),
        ("/v1/customers", "v1/customers/c1", None),
    ):
        assert PathPattern(pattern).match(f"/{path}") == found


def test_pattern_covers_equal_and_narrower_patterns() -> None:
    for one, other, covers in (
        ("/a/{id}", "/a/{name}", True),
        ("/a/{id}", "/a/b", True),
        ("/a/b", "/a/{id}", False),
        ("/{rest...}", "/a/{id}", True),
        ("/a/{id}", "/{rest...}", False),
        ("/{rest...}", "/a/{more...}", True),
        ("/a/{more...}", "/{rest...}", False),
        ("/{rest...}", "/", True),
        ("/a/{more...}", "/a", False),
    ):
        assert PathPattern(one).covers(PathPattern(other)) is covers


def test_invalid_patterns_are_rejected() -> None:
    for written in ("a", "/a?b=1", "/a//b", "/{a}b", "/{a}/{a}", "/{a...}/b", "/{1}"):
        with pytest.raises(ValueError, match="."):
            PathPattern(written)


BODY = {"type": "card", "amount": 5, "paid": True, "items": [{"sku": "a1"}, {"sku": "b2"}]}
REQUEST = ServiceRequest(
    "POST", "/x?page=2&q=a+b", {"x-mode": "slow", "x-key": "secret"}, json.dumps(BODY).encode()
)


def test_patterns_of_conditions_search_in_linear_time() -> None:
    for pattern in ("(?=a)b", r"(a)\1"):
        with pytest.raises(ValidationError, match="without look-around and back references"):
            RouteConditions.model_validate({"header": {"x": {"matches": pattern}}})
    conditions = RouteConditions.model_validate({"query": {"q": {"matches": "^(a+)+$"}}})
    assert conditions.mismatches(ServiceRequest("GET", f"/?q={'a' * 100_000}!", {}, b""))


def test_satisfied_conditions_report_nothing() -> None:
    for when in (
        {},
        {"header": {"X-Mode": "slow"}},
        {"header": {"x-other": {"present": False}}},
        {"query": {"page": "2", "q": {"matches": "^a b$"}}},
        {"json": {"$.type": "card", "$.amount": 5, "$.paid": True}},
        {"json": {"$.items[*].sku": "b2", "$.amount": {"matches": "^[0-9]$"}}},
    ):
        assert RouteConditions.model_validate(when).mismatches(REQUEST) == []


def test_failed_conditions_report_the_actual_value() -> None:
    for when, message in (
        ({"header": {"x-mode": "fast"}}, "header x-mode differs"),
        ({"header": {"x-key": {"matches": "^a"}}}, "header x-key differs"),
        ({"header": {"x-none": "a"}}, "header x-none is missing"),
        ({"header": {"x-none": {"matches": "a"}}}, "header x-none is missing"),
        ({"query": {"page": {"present": False}}}, "query page is set, but must not be"),
        ({"query": {"page": "3"}}, "query page is '2', not '3'"),
        (
            {"json": {"$.type": {"matches": "bank"}}},
            "$.type is 'card', which does not match /bank/",
        ),
        ({"json": {"$.paid": 1}}, "$.paid is 'true', not '1'"),
        ({"json": {"$.none": {"present": True}}}, "$.none is missing"),
    ):
        assert RouteConditions.model_validate(when).mismatches(REQUEST) == [message]


@table("expected", [{}, {"matches": "("}, {"matches": "a", "present": True}])
def test_empty_or_ambiguous_condition_is_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="matches"):
        RouteConditions.model_validate({"query": {"a": expected}})


VALUE: Json = {"id": 1, "data": [{"id": 2}, {"id": 3, "a b": {"id": 4}}]}
NAMES = st.text(st.characters(exclude_characters='"'))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


def test_json_path_finds_its_values() -> None:
    for path, found in (
        ("$.id", [1]),
        ("$.data[1].id", [3]),
        ("$.data[*].id", [2, 3]),
        ("$.*", [1, [{"id": 2}, {"id": 3, "a b": {"id": 4}}]]),
        ("$..id", [1, 2, 3, 4]),
        ("$.data[1]['a b'].id", [4]),
        ("$.nothing", []),
        ("$", [VALUE]),
    ):
        assert JsonPath(path).find(VALUE) == found


@given(VALUES)
def test_path_of_every_value_finds_the_value(value: Json) -> None:
    for place, there in walk(value):
        path = JsonPath(path_of(place))
        assert path.matches(place)
        assert there in path.find(value)


@table("written", ["id", "$id", "$.", "$[a]", "$.a[", ""])
def test_invalid_paths_are_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="path"):
        JsonPath(written)


ROUTES = """
[[routes]]
name = "slow"
path = "/v1/things/{id}"
kind = "fixed"
body = "slow"
when = { header = { x-mode = "slow" }, query = { page = "1" } }
[[routes]]
name = "post"
method = "POST"
path = "/v1/things"
kind = "fixed"
body = "post"
[[routes]]
name = "any"
method = "*"
path = "/any/{rest...}"
kind = "fixed"
body = "{{ method }} {{ path.rest }}"
"""


@table(
    ("words", "message"),
    [
        ("GET /v1/things", "the nearest is 'post', but its method is POST"),
        ("POST /v1/thing", "the nearest is 'post', but its path is /v1/things"),
        ("PUT /v1/thing", "but its path is /v1/things and its method is POST"),
        (
            "GET /v1/things/1",
            "the nearest is 'slow', but header x-mode is missing and query page is missing",
        ),
    ],
)
def test_unmatched_request_names_the_nearest_route(words: str, message: str) -> None:
    ask = Asked(ROUTES)
    status, body = ask(words)
    assert (status, body["error"]["code"], body["twin"]) == (404, "no_route", True)
    assert message in body["error"]["message"]
    (entry,) = ask.dispatcher.requests
    assert (entry.route, entry.status) == ("", 404)
    assert message in entry.why


def test_first_matching_route_answers() -> None:
    ask = Asked(ROUTES)
    assert ask("GET /v1/things/1?page=1", x_mode="slow") == (200, "slow")
    assert ask("POST /v1/things") == (200, "post")
    assert ask("DELETE /any/a/b") == (200, "DELETE a/b")
    assert ask("GET /any/") == (200, "GET ")
    assert ask("POST /v1/things/") == (200, "post")


RECORDS_ROUTES = """
[[routes]]
method = "POST"
path = "/c"
kind = "create"
collection = "c"
"""


def test_new_ids_skip_existing_ids() -> None:
    ask = Asked("state.c = [{ id = 1 }, { id = '3' }]\n" + RECORDS_ROUTES)
    assert [ask("POST /c")[1]["id"] for _ in range(3)] == ["2", "4", "5"]


def test_id_may_be_a_number_with_another_key() -> None:
    ask = Asked('collections.c = { key = "number", id = "{{ counter() }}" }\n' + RECORDS_ROUTES)
    assert [ask("POST /c", {"a": 1})[1] for _ in range(2)] == [
        {"number": 1, "a": 1},
        {"number": 2, "a": 1},
    ]
    assert list(members(ask.dispatcher.state()["c"])) == ["1", "2"]


def test_duplicate_id_is_a_conflict() -> None:
    ask = Asked('collections.c = { id = "{{ body.id }}" }\n' + RECORDS_ROUTES)
    assert [ask("POST /c", {"id": "a"})[0] for _ in range(2)] == [201, 409]


def test_non_object_body_is_rejected() -> None:
    ask = Asked("state.c = []\n" + RECORDS_ROUTES)
    assert ask("POST /c", [1])[1]["error"]["code"] == "invalid_body"

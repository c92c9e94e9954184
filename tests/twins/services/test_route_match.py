import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.twins.services.json_path import JsonPath, path_of, walk
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.route_match import PathPattern, RouteConditions


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
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
    ],
)
def test_a_pattern_takes_paths_of_its_form(
    pattern: str, path: str, found: dict[str, str] | None
) -> None:
    assert PathPattern(pattern).match(f"/{path}") == found


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ("/a/{id}", "/a/{name}", True),
        ("/a/{id}", "/a/b", True),
        ("/a/b", "/a/{id}", False),
        ("/{rest...}", "/a/{id}", True),
        ("/a/{id}", "/{rest...}", False),
        ("/{rest...}", "/a/{more...}", True),
        ("/a/{more...}", "/{rest...}", False),
        ("/{rest...}", "/", True),
        ("/a/{more...}", "/a", False),
    ],
)
def test_a_pattern_knows_which_others_it_covers(one: str, other: str, covers: bool) -> None:
    assert PathPattern(one).covers(PathPattern(other)) is covers


@pytest.mark.parametrize(
    "written", ["a", "/a?b=1", "/a//b", "/{a}b", "/{a}/{a}", "/{a...}/b", "/{1}"]
)
def test_invalid_patterns_are_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="."):
        PathPattern(written)


BODY = {"type": "card", "amount": 5, "paid": True, "items": [{"sku": "a1"}, {"sku": "b2"}]}
REQUEST = ServiceRequest(
    "POST", "/x?page=2&q=a+b", {"x-mode": "slow", "x-key": "secret"}, json.dumps(BODY).encode()
)


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"header": {"X-Mode": "slow"}},
        {"header": {"x-other": {"present": False}}},
        {"query": {"page": "2", "q": {"matches": "^a b$"}}},
        {"json": {"$.type": "card", "$.amount": 5, "$.paid": True}},
        {"json": {"$.items[*].sku": "b2", "$.amount": {"matches": "^[0-9]$"}}},
    ],
)
def test_conditions_that_hold_report_nothing(when: dict[str, Any]) -> None:
    assert RouteConditions.model_validate(when).mismatches(REQUEST) == []


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ({"header": {"x-mode": "fast"}}, "header x-mode differs"),
        ({"header": {"x-key": {"matches": "^a"}}}, "header x-key differs"),
        ({"header": {"x-none": "a"}}, "header x-none is missing"),
        ({"query": {"page": {"present": False}}}, "query page is present, and must not be"),
        ({"query": {"page": "3"}}, "query page is '2', not '3'"),
        (
            {"json": {"$.type": {"matches": "bank"}}},
            "$.type is 'card', which does not match /bank/",
        ),
        ({"json": {"$.paid": 1}}, "$.paid is 'true', not '1'"),
        ({"json": {"$.none": {"present": True}}}, "$.none is missing"),
    ],
)
def test_failed_conditions_report_the_actual_value(when: dict[str, Any], told: str) -> None:
    assert RouteConditions.model_validate(when).mismatches(REQUEST) == [told]


@pytest.mark.parametrize("expected", [{}, {"matches": "("}, {"matches": "a", "present": True}])
def test_a_condition_that_says_nothing_or_too_much_is_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="matches"):
        RouteConditions.model_validate({"query": {"a": expected}})


VALUE: Json = {"id": 1, "data": [{"id": 2}, {"id": 3, "a b": {"id": 4}}]}
NAMES = st.text(st.characters(exclude_characters='"'))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.id", [1]),
        ("$.data[1].id", [3]),
        ("$.data[*].id", [2, 3]),
        ("$.*", [1, [{"id": 2}, {"id": 3, "a b": {"id": 4}}]]),
        ("$..id", [1, 2, 3, 4]),
        ("$.data[1]['a b'].id", [4]),
        ("$.nothing", []),
        ("$", [VALUE]),
    ],
)
def test_json_path_finds_its_values(path: str, found: list[Json]) -> None:
    assert JsonPath(path).find(VALUE) == found


@given(VALUES)
def test_the_written_place_of_every_value_finds_it(value: Json) -> None:
    for place, there in walk(value):
        path = JsonPath(path_of(place))
        assert path.matches(place)
        assert there in path.find(value)


@pytest.mark.parametrize("written", ["id", "$id", "$.", "$[a]", "$.a[", ""])
def test_invalid_paths_are_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="path"):
        JsonPath(written)

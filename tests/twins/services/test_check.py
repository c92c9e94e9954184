from typing import Any

import pytest

from attractor.base.json import Json
from attractor.twins.services.check import compare_responses
from attractor.twins.services.request import ServiceResponse, json_response
from attractor.twins.services.service import CheckSettings
from tests.tables import table


def differences(recorded: Json, twin: Json, **comparison: Any) -> list[str]:
    found = compare_responses(
        json_response(recorded), json_response(twin), CheckSettings.model_validate(comparison)
    )
    return [f"{one.where}: {one.recorded} / {one.twin}" for one in found]


@table(
    ("recorded", "twin", "found"),
    [
        ({"a": 1}, {"a": 2}, ["$.a: 1 / 2"]),
        ({"a": 1}, {"a": "1"}, ['$.a: 1 / "1"']),
        ({"a": 1}, {"a": True}, ["$.a: 1 / true"]),
        ({"a": 1, "b": 2}, {"b": 2, "c": 3}, ["$.a: 1 / nothing", "$.c: nothing / 3"]),
        ({"a": [1, 2]}, {"a": [1]}, ["$.a[1]: 2 / nothing"]),
        ([{"x y": None}], [{"x y": 0}], ["$[0]['x y']: null / 0"]),
        ({"a": 1.0}, {"a": 1}, []),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, []),
    ],
)
def test_differences_are_reported_by_path(recorded: Json, twin: Json, found: list[str]) -> None:
    assert differences(recorded, twin) == found


def test_declared_differences_are_ignored() -> None:
    one: dict[str, Json] = {"id": 1, "at": 5, "b": {"id": 2}}
    other: dict[str, Json] = {"id": 3, "at": 6, "b": {}}
    assert differences({**one}, {**other}, ignore=["$..id"], types=["$.at"]) == []
    assert differences({**one}, {**other, "at": "6"}, ignore=["$..id"], types=["$.at"]) == [
        '$.at: 5 / "6"'
    ]


def test_redacted_text_matches_any_text() -> None:
    assert differences({"key": "[hidden]"}, {"key": "abc"}) == []
    assert differences({"key": "[hidden]"}, {"key": 5}) == ['$.key: "[hidden]" / 5']
    assert differences({"key": "[hidden]"}, {}) == ['$.key: "[hidden]" / nothing']


def test_ignored_list_items_may_be_missing() -> None:
    with pytest.raises(ValueError, match="a JSON path must be a text"):
        CheckSettings.model_validate({"ignore": [5]})
    assert differences([1, 2, 3], [1], ignore=["$[*]"]) == []
    assert differences([1, 2, 3], [1], ignore=["$[1]"]) == ["$[2]: 3 / nothing"]


def test_status_and_recorded_headers_count() -> None:
    one = ServiceResponse(
        200, {"content-type": "text/plain; charset=utf-8", "x-a": "1", "x-b": "1"}
    )
    other = ServiceResponse(201, {"content-type": "TEXT/plain", "x-a": "2", "x-c": "1"})
    comparison = CheckSettings.model_validate({"headers": ["content-type", "X-A", "x-c"]})
    found = [(it.where, it.recorded, it.twin) for it in compare_responses(one, other, comparison)]
    assert found == [("status", "200", "201"), ("header X-A", "1", "2")]
    assert [it.where for it in compare_responses(other, ServiceResponse(201), comparison)] == [
        *("header content-type", "header X-A", "header x-c"),
    ]


def test_bodies_that_are_no_json_are_texts() -> None:
    found = compare_responses(
        ServiceResponse(200, {}, b"a"), ServiceResponse(200, {}, b""), CheckSettings()
    )
    assert [(one.where, one.recorded, one.twin) for one in found] == [("$", '"a"', "null")]

import json
from typing import Any

import pytest

from attractor.twins.services.conditions import Conditions
from attractor.twins.services.requests import ServiceRequest

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
def test_what_holds_misses_nothing(when: dict[str, Any]) -> None:
    assert Conditions.model_validate(when).misses(REQUEST) == []


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ({"header": {"x-mode": "fast"}}, "header x-mode is another one"),
        ({"header": {"x-key": {"matches": "^a"}}}, "header x-key is another one"),
        ({"header": {"x-none": "a"}}, "header x-none is missing"),
        ({"query": {"page": {"present": False}}}, "query page is there, and must not be"),
        ({"query": {"page": "3"}}, "query page is '2', not '3'"),
        (
            {"json": {"$.type": {"matches": "bank"}}},
            "$.type is 'card', which does not match /bank/",
        ),
        ({"json": {"$.paid": 1}}, "$.paid is 'true', not '1'"),
        ({"json": {"$.none": {"present": True}}}, "$.none is missing"),
    ],
)
def test_what_does_not_hold_says_what_was_found(when: dict[str, Any], told: str) -> None:
    assert Conditions.model_validate(when).misses(REQUEST) == [told]


@pytest.mark.parametrize("expected", [{}, {"matches": "("}, {"matches": "a", "present": True}])
def test_a_condition_that_says_nothing_or_too_much_is_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="matches"):
        Conditions.model_validate({"query": {"a": expected}})

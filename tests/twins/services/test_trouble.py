from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.services.trouble import Trouble


def trouble(**table: Any) -> Trouble:
    return Trouble.model_validate({"kind": "refused", **table})


@pytest.mark.parametrize(
    ("when", "met"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"on": [1, 3]}, [1, 3]),
        ({"every": 3}, [3, 6]),
        ({"first": 2}, [1, 2]),
        ({"probability": 1.0}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_it_comes_to_the_requests_that_are_said(when: dict[str, Any], met: list[int]) -> None:
    one = trouble(**when)
    assert [number for number in range(1, 7) if one.comes(number, 0, "")] == met


@given(st.integers())
def test_chance_is_the_same_for_the_same_seed(seed: int) -> None:
    one = trouble(probability=0.5)
    assert [one.comes(n, seed, "x") for n in range(9)] == [
        one.comes(n, seed, "x") for n in range(9)
    ]


def test_chance_is_about_as_often_as_said() -> None:
    count = sum(trouble(probability=0.2).comes(number, 1, "s") for number in range(1000))
    assert 150 < count < 250


@pytest.mark.parametrize(
    ("table", "performed"),
    [
        ({"kind": "status"}, False),
        ({"kind": "status", "performed": True}, True),
        ({"kind": "refused"}, False),
        ({"kind": "cut"}, True),
        ({"kind": "hang", "performed": False}, False),
        ({"kind": "delay", "delay": "1s"}, True),
    ],
)
def test_an_answer_that_is_lost_was_performed_unless_said_otherwise(
    table: dict[str, Any], performed: bool
) -> None:
    assert Trouble.model_validate(table).is_performed is performed


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"kind": "cut", "status": 500}, "does not take 'status'"),
        ({"kind": "cut", "on": [1], "first": 2}, "exclude each other"),
        ({"kind": "cut", "on": [0]}, "greater than or equal to 1"),
        ({"kind": "delay"}, "needs a delay"),
        ({"kind": "delay", "delay": "1s", "performed": False}, "is performed"),
        ({"kind": "delay", "delay": "1 s"}, "blank"),
        ({"kind": "smoke"}, "'status', 'refused'"),
        ({"kind": "cut", "probability": 0.0}, "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Trouble.model_validate(table)

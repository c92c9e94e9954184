from attractor.base.json import JsonObject
from attractor.llm.options import merge_options

BODY: JsonObject = {
    "model": "m",
    "tools": [1],
    "reasoning": {"effort": "low", "deep": {"a": 1}},
    "n": 1,
}


def test_objects_and_lists_grow_and_all_else_is_replaced() -> None:
    given: JsonObject = {
        "tools": [2],
        "reasoning": {"summary": "auto", "deep": {"b": 2}},
        "n": None,
        "new": [],
    }
    assert merge_options(BODY, given) == {
        "model": "m",
        "tools": [1, 2],
        "reasoning": {"effort": "low", "summary": "auto", "deep": {"a": 1, "b": 2}},
        "n": None,
        "new": [],
    }
    assert BODY["tools"] == [1]


def test_another_sort_of_value_replaces_ours() -> None:
    assert merge_options(BODY, {"tools": "none"})["tools"] == "none"

"""Faults of JSON and TOML files are described in a sentence."""

import tomllib

import pytest

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.storage.json_files import DEEPEST, describe_fault, is_too_deep
from tests.tables import table


@table(
    ("text", "message"),
    [
        ("{", "is invalid JSON: Expecting property name"),
        ('{"a": 1, "a": 2}', "is invalid JSON: duplicate key 'a'"),
        (r'{"a": "\ud800"}', "holds a lone surrogate at a"),
        (r'{"\ud800": "a"}', "holds the key '\\ud800', which contains a lone surrogate,"),
        ('{"a": ' + "9" * 5000 + "}", "contains a number with too many digits"),
        ('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "is nested too deeply"),
    ],
)
def test_json_fault_is_described(text: str, message: str) -> None:
    with pytest.raises(NotCanonical) as fault:
        parse_json(text)
    assert describe_fault(fault.value).startswith(message)


def test_long_path_is_shortened() -> None:
    value: list[object] = []
    for _ in range(150):
        value = [value]
    with pytest.raises(NotCanonical) as fault:
        canonical_json(value)  # type: ignore[arg-type]
    words = describe_fault(fault.value)
    assert words.startswith("holds more than 100 levels")
    assert "[0]...[0]" in words
    assert len(words) < 120


def nested(levels: int) -> Json:
    value: Json = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value, "b": []}
    return value


def test_depth_limit_is_exact() -> None:
    assert not is_too_deep(nested(DEEPEST - 1))
    assert is_too_deep(nested(DEEPEST))


@table(
    ("text", "message"),
    [
        ("a = ", "is invalid TOML: Invalid value"),
        ("a = " + "9" * 5000, "contains a number with too many digits"),
        ("a = " + "[" * 50_000, "is nested too deeply"),
    ],
)
def test_toml_fault_is_described(text: str, message: str) -> None:
    with pytest.raises((ValueError, RecursionError)) as fault:
        tomllib.loads(text)
    assert describe_fault(fault.value, form="TOML").startswith(message)

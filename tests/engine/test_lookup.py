import pytest

from attractor.base.json import Json
from attractor.engine.lookup import make_lookup
from attractor.engine.outcome import StageStatus

CONTEXT: dict[str, Json] = {
    "flag": True,
    "count": 3,
    "context.own": "dotted",
    "outcome": "stale",
    "nothing": None,
    "list": [1],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "fail"),
        ("preferred_label", "Fix"),
        ("context.flag", "true"),
        ("flag", "true"),
        ("context.count", "3"),
        ("context.own", "dotted"),
        ("context.outcome", "stale"),
        ("nothing", ""),
        ("context.missing", ""),
        ("list", "[1]"),
    ],
)
def test_keys_are_resolved(key: str, value: str) -> None:
    assert make_lookup(StageStatus.FAIL, "Fix", CONTEXT)(key) == value

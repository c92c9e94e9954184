from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import StreamError, StreamEventType
from tests.llm.providers.streams import brief, fold, whole
from tests.llm.providers.test_chat_stream import NAME, call, piece

CALLS: list[tuple[list[Json], list[tuple[str, str, Any]]]] = [
    # No index; a name begins a call.
    (
        [call(None, "c", name="n", arguments='{"a"'), call(None, arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
    (
        [call(None, "c", name="n", arguments="{}"), call(None, "d", name="n", arguments="{}")],
        [("c", "n", {}), ("d", "n", {})],
    ),
    (
        [call(None, name="n", arguments="{}"), call(None, name="n", arguments="{}")],
        [("call_seed_0", "n", {}), ("call_seed_1", "n", {})],
    ),
    # The same index for every call.
    (
        [call(0, "c", name="n", arguments="{}"), call(0, "d", name="m", arguments='{"a"')]
        + [call(0, arguments=":1}")],
        [("c", "n", {}), ("d", "m", {"a": 1})],
    ),
    # Id and name, or the name alone, in every piece.
    (
        [call(0, "c", name="n", arguments='{"a"'), call(0, "c", name="n", arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
    (
        [call(3, name="n", arguments='{"a"'), call(3, name="n", arguments=":1}")],
        [("call_seed_0", "n", {"a": 1})],
    ),
    # No id, an empty one, an object instead of a text, nothing at all.
    (
        [call(0, name="n", arguments={"a": 1}), call(1, "", name="m", arguments=None)],
        [("call_seed_0", "n", {"a": 1}), ("call_seed_1", "m", {})],
    ),
    # The name comes late.
    (
        [call(0, "c", arguments='{"a"'), call(0, name="n", arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
]


def made(*pieces: Json) -> list[tuple[str, str, Any]]:
    """Return the id, the name and the arguments of the calls that pieces make."""
    calls = whole(fold(NAME, *pieces, piece("tool_calls"))).tool_calls
    return [(one.id, one.name, one.arguments) for one in calls]


@pytest.mark.parametrize(("pieces", "calls"), CALLS)
def test_calls_are_put_together_however_a_server_tells_them(
    pieces: list[Json], calls: list[tuple[str, str, Any]]
) -> None:
    assert made(*pieces) == calls
    events = fold(NAME, *pieces, piece("tool_calls"))
    begun = [one.tool_call for one in events if one.type == StreamEventType.TOOL_CALL_START]
    assert [(one.id, one.name) for one in begun if one] == [one[:2] for one in calls]


def test_what_came_before_a_name_is_told_with_it() -> None:
    pieces = [call(0, "c", arguments='{"a"'), call(0, name="n", arguments=":1}")]
    assert brief(fold(NAME, *pieces))[1:] == [
        "tool_call_start c n {}",
        'tool_call_delta c n {"a":1}',
    ]


def test_a_call_without_a_name_is_what_nobody_can_read() -> None:
    with pytest.raises(StreamError, match=r"tool_calls\[0\].function.name"):
        made(call(0, "c", arguments="{}"))

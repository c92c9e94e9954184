from collections.abc import Callable
from typing import Any

import pytest

from attractor.base.json import JsonObject
from attractor.llm import AbortController, Message, Tool
from attractor.llm.tool_handlers import Injected, bind

ARGUMENTS: JsonObject = {"a": 1, "b": 2}
INJECTED = Injected([Message.user("hi")], AbortController().signal, "call_1")


def called(execute: Callable[..., object] | None, *, extra: tuple[str, ...] = ()) -> object:
    properties: JsonObject = dict.fromkeys(("a", "b", *extra), {})
    tool = Tool("t", "", {"type": "object", "properties": dict(properties)}, execute)
    return bind(tool, {**ARGUMENTS, **dict.fromkeys(extra, "the model's")}, INJECTED)()


class Handler:
    """Is called as a function is."""

    def __call__(self, a: int, b: int) -> int:
        return a + b


def with_defaults(a: int, b: int = 0, c: int = 3) -> object:
    return a, b, c


def with_all(arguments: dict[str, Any]) -> object:
    return arguments


def with_all_and_context(arguments: dict[str, Any], *, tool_call_id: str) -> object:
    return arguments, tool_call_id


def with_context(a: int, b: int, messages: object, abort_signal: object, tool_call_id: str) -> Any:
    return a, b, messages, abort_signal, tool_call_id


def with_anything(**arguments: object) -> object:
    return arguments


def with_one_of_them(a: int, **rest: object) -> object:
    return a, rest


@pytest.mark.parametrize(
    ("execute", "returned"),
    [
        (with_defaults, (1, 2, 3)),
        (Handler(), 3),
        (with_all, ARGUMENTS),
        (with_all_and_context, (ARGUMENTS, "call_1")),
        (with_anything, ARGUMENTS),
        (with_one_of_them, (1, {"b": 2})),
        (with_context, (1, 2, INJECTED.messages, INJECTED.abort_signal, "call_1")),
        (dict[str, Any], ARGUMENTS),
    ],
)
def test_a_handler_is_given_what_it_takes(execute: Callable[..., object], returned: object) -> None:
    assert called(execute) == returned


def test_an_argument_of_the_tool_is_never_replaced() -> None:
    def handler(a: int, b: int, messages: str) -> str:
        return messages

    assert called(handler, extra=("messages",)) == "the model's"


def test_what_nobody_executes_cannot_be_bound() -> None:
    with pytest.raises(TypeError, match="nothing executes the tool t"):
        called(None)

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import anyio
import pytest

from attractor.base.json import JsonObject
from attractor.llm import (
    AbortController,
    AbortSignal,
    InvalidToolCallError,
    Message,
    Tool,
    ToolCall,
    ToolResult,
)
from attractor.llm.generation.tool_execution import (
    InjectedArguments,
    ToolExecution,
    bind,
    call_in_thread,
)
from tests.llm.generated import NUMBERS, adder
from tests.patience import PATIENCE_S
from tests.tables import table

T = TypeVar("T")


def execute(
    tool: Tool, *given: JsonObject, repair: Any = None, name: str = "add"
) -> list[ToolResult]:
    calls = [ToolCall(str(number), name, one) for number, one in enumerate(given)]
    execution = ToolExecution({tool.name: tool}, [], AbortController(), repair)
    return list(asyncio.run(in_time(execution.execute_all(calls))))


async def in_time(work: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await work


def content(handler: Callable[..., object]) -> tuple[str, object]:
    (result,) = execute(adder(handler), {"a": 1})
    return ("error" if result.is_error else "ok", result.content)


async def an_async_one(a: int) -> int:
    await asyncio.sleep(0)
    return a


RETURNING: list[tuple[Callable[[Any], object], object]] = [
    (lambda a: "text", "text"),
    (lambda a: {"sum": a}, {"sum": 1}),
    (lambda a: (a, None), [1, None]),
    (lambda a: 1.5, "1.5"),
    (lambda a: None, "null"),
    (lambda a: an_async_one(a), "1"),
    (an_async_one, "1"),
]


def test_tool_result_is_sent_as_json() -> None:
    for handler, message in RETURNING:
        assert content(handler) == ("ok", message)


def cancelled(a: int) -> None:
    raise asyncio.CancelledError


async def cancelled_within(a: int) -> None:
    raise asyncio.CancelledError


async def cancelling_its_task(a: int) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(10)


async def cancelling_and_returning(a: int) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "fine"


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class OddError(BaseException):
    """Some frameworks raise such errors to end their own work."""


def raising(error: BaseException) -> Callable[[Any], object]:
    def fail(a: int) -> None:
        raise error

    return fail


def raising_later(error: BaseException) -> Callable[[Any], object]:
    async def fail(a: int) -> None:
        raise error

    return fail


def wanting_more(a: int, c: int) -> None:
    pytest.fail("was called")


FAILING: list[tuple[Callable[[Any], object], str]] = [
    (lambda a: 1 / 0, "division by zero"),
    (lambda a: {1, 2}, "the return value of add is not JSON"),
    (lambda a: float("nan"), "the return value of add is not JSON"),
    (lambda a: "\ud800", "the return value of add is not JSON"),
    (cast("Any", wanting_more), "wanting_more() missing 1 required positional argument: 'c'"),
    (cancelled, "CancelledError"),
    (cancelled_within, "CancelledError"),
    (cancelling_its_task, "CancelledError"),
    (cancelling_and_returning, "CancelledError"),
    (lambda a: next(iter([])), "StopIteration was raised"),
    (raising_later(StopIteration()), "coroutine raised StopIteration"),
    (raising_later(StopAsyncIteration()), "StopAsyncIteration"),
    (lambda a: sys.exit(2), "SystemExit: 2"),
    (raising_later(SystemExit("unknown option")), "SystemExit: unknown option"),
    (raising(MuteError()), "MuteError"),
    (raising_later(MuteError()), "MuteError"),
    (raising(ValueError("a\udc80b")), "a\\udc80b"),
]


@table(("handler", "message"), FAILING)
def test_error_of_a_tool_becomes_its_result(handler: Callable[..., object], message: str) -> None:
    kind, text = content(handler)
    assert kind == "error"
    assert str(text).startswith(f"Tool error (add): {message}")


def mend(call: ToolCall, tool: Tool, error: InvalidToolCallError) -> JsonObject:
    assert (tool.name, "a is missing" in error.message) == ("add", True)
    return {"a": 5}


async def mend_later(call: ToolCall, tool: Tool, error: InvalidToolCallError) -> JsonObject:
    return {"a": 5}


@table("repair", [mend, mend_later])
def test_invalid_arguments_are_repaired(repair: Any) -> None:
    (result,) = execute(adder(), {"b": 1}, repair=repair)
    assert (result.content, result.is_error) == ("5", False)


IN_VAIN: list[tuple[Callable[[Any, Any, Any], object], str]] = [
    (lambda call, tool, error: None, "a is missing"),
    (lambda call, tool, error: {"a": "y"}, "a must be integer, not string"),
    (lambda call, tool, error: 1 / 0, "division by zero"),
    (lambda call, tool, error: next(iter([])), "StopIteration was raised"),
]


@table(("repair", "message"), IN_VAIN)
def test_unrepairable_arguments_are_reported(repair: Any, message: str) -> None:
    (result,) = execute(adder(), {}, repair=repair)
    assert result.is_error
    assert message in str(result.content)


@table("error", [KeyboardInterrupt(), OddError(), GeneratorExit()])
@table("how", [raising, raising_later])
def test_base_exception_is_raised_and_cancels_other_tools(
    error: BaseException, how: Callable[[BaseException], Callable[[Any], object]]
) -> None:
    heard: list[bool] = []

    async def wait(a: int, abort_signal: AbortSignal) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            heard.append(abort_signal.aborted)

    async def working() -> None:
        tools = {"fail": Tool("fail", "", NUMBERS, how(error)), "add": adder(wait)}
        execution = ToolExecution(tools, [], AbortController())
        await execution.execute_all(
            [ToolCall("1", "add", {"a": 1}), ToolCall("2", "fail", {"a": 1})]
        )

    with pytest.raises(type(error)) as caught:
        asyncio.run(in_time(working()))
    assert caught.value is error
    assert heard == [True]


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the scheduled calls."""

    calls = 0

    def call_soon(self, *words: Any, **more: Any) -> asyncio.Handle:
        self.calls += 1
        return super().call_soon(*words, **more)


def test_waiting_for_cleanup_of_tools_does_not_spin() -> None:
    cleaned: list[str] = []

    async def cleaning(a: int) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.1)
            cleaned.append("one")
            await asyncio.sleep(0.1)
            cleaned.append("another")

    async def working() -> None:
        execution = ToolExecution({"add": adder(cleaning)}, [], AbortController())
        # Such a scope repeats the cancellation of each waiting task.
        with anyio.move_on_after(0.01):
            await execution.execute_all([ToolCall("1", "add", {"a": 1})])

    loop = CountingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(in_time(working()))
    assert loop.calls < 200
    assert cleaned == ["one", "another"]


WORD: ContextVar[str] = ContextVar("WORD")


def about_here() -> tuple[str, str, bool]:
    thread = threading.current_thread()
    return WORD.get(), thread.name, thread.daemon


@pytest.mark.anyio
async def test_call_in_a_thread_has_the_context_of_its_caller() -> None:
    WORD.set("here")
    assert await call_in_thread(about_here, name="elsewhere") == ("here", "elsewhere", True)


@pytest.mark.anyio
async def test_sync_tools_do_not_block_the_event_loop() -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    def wait() -> None:
        may_end.wait(PATIENCE_S)
        has_ended.set()

    task = asyncio.create_task(call_in_thread(wait, name="elsewhere"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not has_ended.is_set()
    may_end.set()
    # Its loop is closed now: nothing is notified, and nothing fails.
    assert has_ended.wait(PATIENCE_S)


ARGUMENTS: JsonObject = {"a": 1, "b": 2}
INJECTED = InjectedArguments([Message.user("hi")], AbortController().signal, "call_1")


def called(execute: Callable[..., object] | None, *, extra: tuple[str, ...] = ()) -> object:
    properties: JsonObject = dict.fromkeys(("a", "b", *extra), {})
    tool = Tool("t", "", {"type": "object", "properties": dict(properties)}, execute)
    return bind(tool, {**ARGUMENTS, **dict.fromkeys(extra, "the model's")}, INJECTED)()


class Handler:
    """Is called like a function."""

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


def test_tool_receives_the_parameters_it_declares() -> None:
    for execute, returned in (
        (with_defaults, (1, 2, 3)),
        (Handler(), 3),
        (with_all, ARGUMENTS),
        (with_all_and_context, (ARGUMENTS, "call_1")),
        (with_anything, ARGUMENTS),
        (with_one_of_them, (1, {"b": 2})),
        (with_context, (1, 2, INJECTED.messages, INJECTED.abort_signal, "call_1")),
        (dict[str, Any], ARGUMENTS),
    ):
        assert called(execute) == returned


def test_an_argument_of_the_tool_is_never_replaced() -> None:
    def handler(a: int, b: int, messages: str) -> str:
        return messages

    assert called(handler, extra=("messages",)) == "the model's"


def test_passive_tool_cannot_be_bound() -> None:
    with pytest.raises(TypeError, match="the tool t has no function"):
        called(None)

"""Executes the tools a model called: all at once, each with a result, in their order (5.7, 5.8)."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import cast

from attractor.base.canonical import Json, JsonObject, parse_json
from attractor.base.errors import AttractorError, NotCanonical, UnknownName
from attractor.base.late_dataclass import dataclass
from attractor.llm.abort import AbortSignal
from attractor.llm.errors import InvalidToolCallError
from attractor.llm.generation import RepairToolCall
from attractor.llm.json_schema import find_faults
from attractor.llm.message import Message
from attractor.llm.tool_handlers import Injected, bind
from attractor.llm.tools import Tool, ToolCall, ToolResult

Content = str | JsonObject | Sequence[Json]


@dataclass(frozen=True)
class Execution:
    """What the calls of one answer have in common."""

    tools: Mapping[str, Tool]
    messages: Sequence[Message]
    abort_signal: AbortSignal
    repair: RepairToolCall | None = None

    async def execute_all(self, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Return a result for every call, in the order of the calls; failures are results too."""
        # A pool of its own: no call waits for another one's thread.
        threads = ThreadPoolExecutor(max(1, len(calls)), "tool")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._execute(call, threads)) for call in calls]
        finally:
            # A thread cannot be ended; who is at work there may look at the abort signal.
            threads.shutdown(wait=False, cancel_futures=True)
        return [task.result() for task in tasks]

    async def _execute(self, call: ToolCall, threads: Executor) -> ToolResult:
        tool = self.tools.get(call.name)
        if tool is None:
            unknown = UnknownName("tool", call.name, self.tools)
            return _failed(call, f"Unknown tool: {call.name}", unknown.hint)
        try:
            arguments = await self._checked(tool, call, threads)
            if isinstance(arguments, InvalidToolCallError):
                return _failed(call, arguments.message)
            injected = Injected(self.messages, self.abort_signal, call.id)
            returned = await _call(bind(tool, arguments, injected), threads)
            return ToolResult(call.id, _content(returned, tool))
        except asyncio.CancelledError as fault:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _failed(call, f"Tool error ({call.name}): {_words(fault)}")
        # Tools come from anywhere; whatever goes wrong in one, the model is to hear it (5.2).
        except Exception as fault:  # noqa: BLE001
            hint = fault.hint if isinstance(fault, AttractorError) else ""
            return _failed(call, f"Tool error ({call.name}): {_words(fault)}", hint)

    async def _checked(
        self, tool: Tool, call: ToolCall, threads: Executor
    ) -> JsonObject | InvalidToolCallError:
        """Return the arguments, mended where they had to be, or what is wrong with them."""
        fault = call.fault or _fault(tool, call.arguments)
        if fault is None:
            return call.arguments
        if self.repair is None:
            return fault
        mended = await _call(partial(self.repair, call, tool, fault), threads)
        if not isinstance(mended, Mapping):
            return fault
        arguments = cast("JsonObject", mended)
        return _fault(tool, arguments) or arguments


def _fault(tool: Tool, arguments: JsonObject) -> InvalidToolCallError | None:
    faults = find_faults(arguments, tool.parameters)
    if not faults:
        return None
    return InvalidToolCallError("\n".join([f"Invalid arguments for tool: {tool.name}", *faults]))


async def _call(called: "partial[object]", threads: Executor) -> object:
    """Call a function and wait for it; one that is not async gets a thread, so it blocks nobody."""
    if inspect.iscoroutinefunction(called.func):
        return await cast("Awaitable[object]", called())
    loop = asyncio.get_running_loop()
    returned = await loop.run_in_executor(threads, partial(copy_context().run, called))
    return await returned if inspect.isawaitable(returned) else returned


def _content(returned: object, tool: Tool) -> Content:
    """Return what a tool returned as JSON has it; what is no text, object or list becomes text."""
    try:
        text = json.dumps(returned, ensure_ascii=False, allow_nan=False)
        value = parse_json(text)
    except (TypeError, ValueError, RecursionError, NotCanonical) as cause:
        raise TypeError(f"what {tool.name} returned cannot be written as JSON: {cause}") from cause
    return value if isinstance(value, str | dict | list) else text


def _failed(call: ToolCall, message: str, hint: str = "") -> ToolResult:
    return ToolResult(call.id, f"{message}\n{hint}" if hint else message, is_error=True)


def _words(fault: BaseException) -> str:
    return str(fault) or type(fault).__name__

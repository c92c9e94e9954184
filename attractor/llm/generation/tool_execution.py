"""Executes the tool calls of an answer concurrently, one result per call in order (5.7, 5.8)."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from inspect import Parameter
from threading import Thread
from typing import TypeVar, cast

import anyio

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NotCanonical, UnknownName
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.abort import AbortController, AbortSignal, ending_of_call
from attractor.llm.errors import InvalidToolCallError
from attractor.llm.generation.options import RepairToolCall
from attractor.llm.json_schema import find_faults
from attractor.llm.messages import Message
from attractor.llm.tools import Tool, ToolCall, ToolResult

T = TypeVar("T")


async def call_in_thread(function: Callable[[], T], *, name: str) -> T:
    """Return what a function returns, or raise what it raises; the context is the caller's.

    Who is cancelled waits no longer. The thread goes on, since nothing can end it, and keeps no
    program from ending: the threads of the standard pools are joined at the end of a program.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Future[T]] = loop.create_future()

    def tell(ending: "Future[T]") -> None:
        if not ended.done():
            ended.set_result(ending)

    def run() -> None:
        ending = ending_of_call(function)
        # In a loop that is closed nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, ending)

    Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
    return (await ended).result()


_IN_ORDER = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Injected:
    """What a handler is given when it has a parameter of that name."""

    messages: Sequence[Message]
    abort_signal: AbortSignal
    tool_call_id: str

    def wanted_by(self, names: Mapping[str, Parameter]) -> Mapping[str, object]:
        """Return what those parameters ask for."""
        return {name: value for name, value in vars(self).items() if name in names}


def bind(tool: Tool, arguments: JsonObject, injected: Injected) -> "partial[object]":
    """Return the call of a tool's handler with all that belongs to it."""
    if tool.execute is None:
        raise TypeError(f"nothing executes the tool {tool.name}")
    wanted = _parameters(tool.execute)
    known = _properties(tool)
    # What the tool takes from the model is the model's to give, whatever it is called.
    free = {name: one for name, one in wanted.items() if name not in known and one.kind in _BY_NAME}
    extra = injected.wanted_by(free)
    rest = [one for name, one in wanted.items() if name not in extra]
    if _takes_all_at_once(rest, known):
        return partial(tool.execute, dict(arguments), **extra)
    return partial(tool.execute, **{**arguments, **extra})


def _takes_all_at_once(wanted: Sequence[Parameter], known: JsonObject) -> bool:
    """Say whether a handler takes one mapping: one parameter that is no argument of the tool."""
    needed = [one for one in wanted if one.default is one.empty]
    if len(needed) != 1 or any(one.name in known for one in wanted):
        return False
    return needed[0].kind in _IN_ORDER


def _parameters(handler: Callable[..., object]) -> Mapping[str, Parameter]:
    try:
        return inspect.signature(handler).parameters
    except (TypeError, ValueError):
        # Some that are written in C do not tell; they are given the arguments by name.
        return {}


def _properties(tool: Tool) -> JsonObject:
    found = tool.parameters.get("properties")
    return found if isinstance(found, Mapping) else {}


Content = str | JsonObject | Sequence[Json]
_OVER = "the generation is over"


@dataclass(frozen=True)
class Execution:
    """What the calls of one answer have in common; the controller tells the tools of its end."""

    tools: Mapping[str, Tool]
    messages: Sequence[Message]
    controller: AbortController
    repair: RepairToolCall | None = None

    async def execute_all(self, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Return a result for every call, in the order of the calls; failures are results too.

        What is no failure but is to end the program, such as Ctrl-C, is raised as it is.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._execute(call)) for call in calls]
                await self._until_done(tasks)
        except BaseExceptionGroup as escaped:
            raise _first(escaped) from None
        return [task.result() for task in tasks]

    async def _until_done(self, tasks: Sequence["asyncio.Task[ToolResult]"]) -> None:
        try:
            if tasks:
                await asyncio.wait(tasks)
        except asyncio.CancelledError:
            # Before they are cancelled, so that each can read there that it is to end.
            self.controller.abort(_OVER)
            for task in tasks:
                task.cancel()
            # A scope would go on cancelling who waits here, until the last one has cleaned up.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks)
            raise

    async def _execute(self, call: ToolCall) -> ToolResult:
        task = asyncio.current_task()
        try:
            result = await self._answer(call)
            if task is not None and task.cancelling():
                # A tool cancelled the task it runs in: that comes out here and not when it ends.
                await asyncio.sleep(0)
            return result
        except asyncio.CancelledError as fault:
            # Who ends the generation says so first; all else is the tool's own affair.
            if self.controller.signal.aborted:
                raise
            return _failed(call, f"Tool error ({call.name}): {_words(fault)}")
        # Tools come from anywhere; whatever goes wrong in one, the model is to hear it (5.2). One
        # that exits, as command lines do, ends its own work and nobody else's.
        except (Exception, SystemExit) as fault:  # noqa: BLE001
            hint = fault.hint if isinstance(fault, AttractorError) else ""
            return _failed(call, f"Tool error ({call.name}): {_words(fault)}", hint)
        except BaseException as fault:
            self.controller.abort(_OVER)
            raise _EscapedError(fault) from fault

    async def _answer(self, call: ToolCall) -> ToolResult:
        tool = self.tools.get(call.name)
        if tool is None:
            unknown = UnknownName("tool", call.name, self.tools)
            return _failed(call, f"Unknown tool: {call.name}", unknown.hint)
        arguments = await self._checked(tool, call)
        if isinstance(arguments, InvalidToolCallError):
            return _failed(call, arguments.message)
        injected = Injected(self.messages, self.controller.signal, call.id)
        returned = await _call(bind(tool, arguments, injected), tool)
        return ToolResult(call.id, _content(returned, tool))

    async def _checked(self, tool: Tool, call: ToolCall) -> JsonObject | InvalidToolCallError:
        """Return the arguments, mended where they had to be, or what is wrong with them."""
        fault = call.fault or _fault(tool, call.arguments)
        if fault is None:
            return call.arguments
        if self.repair is None:
            return fault
        mended = await _call(partial(self.repair, call, tool, fault), tool)
        if not isinstance(mended, Mapping):
            return fault
        arguments = cast("JsonObject", mended)
        return _fault(tool, arguments) or arguments


class _EscapedError(Exception):
    """Carries out of a task what would end the whole event loop if it left the task itself."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__()
        self.fault = fault


def _first(escaped: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first thing that was raised, for nobody asked for a group of them."""
    one = escaped.exceptions[0]
    return one.fault if isinstance(one, _EscapedError) else one


def _fault(tool: Tool, arguments: JsonObject) -> InvalidToolCallError | None:
    faults = find_faults(arguments, tool.parameters)
    if not faults:
        return None
    return InvalidToolCallError("\n".join([f"Invalid arguments for tool: {tool.name}", *faults]))


async def _call(called: "partial[object]", tool: Tool) -> object:
    """Call a function and wait for it; one that is not async gets a thread, so it blocks nobody."""
    if inspect.iscoroutinefunction(called.func):
        return await cast("Awaitable[object]", called())
    returned = await call_in_thread(called, name=f"tool {tool.name}")
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
    """Return what an error says, or its kind where it says nothing or cannot."""
    kind = type(fault).__name__
    try:
        said = str(fault)
    # It is somebody else's text, too.
    except Exception:  # noqa: BLE001
        said = ""
    if isinstance(fault, SystemExit):
        return f"{kind}: {said}"
    # Half a character, of the name of a file for instance, cannot be sent.
    return said.encode(errors="backslashreplace").decode() or kind

"""Executes the tool calls of an answer concurrently, one result per call in order (5.7, 5.8)."""

import asyncio
import inspect
import json
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from inspect import Parameter
from typing import cast

import anyio

from attractor.base.call_text import failed_call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NotCanonical, UnknownName
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.abort import AbortController, AbortSignal
from attractor.llm.errors import InvalidToolCallError
from attractor.llm.generation.options import RepairToolCall
from attractor.llm.generation.tasks import call_in_thread
from attractor.llm.json_schema import find_faults
from attractor.llm.messages import Message
from attractor.llm.request import Tool, ToolCall, ToolResult

Content = str | JsonObject | Sequence[Json]
_IS_OVER = "the generation has ended"
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class ToolExecution:
    """Executes the tool calls of one answer.

    The controller's signal notifies tools of an early end.
    """

    tools: Mapping[str, Tool]
    messages: Sequence[Message]
    controller: AbortController
    repair: RepairToolCall | None = None

    async def execute_all(self, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Return a result for every call, in the order of the calls; failures are results too.

        An exception that should end the program, such as a KeyboardInterrupt, is not a result, but
        raised.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._execute(call)) for call in calls]
                await self._wait_for(tasks)
        except BaseExceptionGroup as escaped:
            first = escaped.exceptions[0]
            raise first.error if isinstance(first, _EscapedError) else first from None
        return [task.result() for task in tasks]

    async def _wait_for(self, tasks: Sequence["asyncio.Task[ToolResult]"]) -> None:
        try:
            if tasks:
                await asyncio.wait(tasks)
        except asyncio.CancelledError:
            # Aborted before the tasks are cancelled, so that each tool can read the reason.
            self.controller.abort(_IS_OVER)
            for task in tasks:
                task.cancel()
            # A scope would cancel this wait again and again until the last task has cleaned up.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks)
            raise

    async def _execute(self, call: ToolCall) -> ToolResult:
        task = asyncio.current_task()
        try:
            result = await self._run(call)
            if task is not None and task.cancelling():
                # If the tool cancelled its own task, the cancellation is raised here.
                await asyncio.sleep(0)
            return result
        except asyncio.CancelledError as error:
            # An end of the generation aborts first; any other cancellation is the tool's own.
            if self.controller.signal.aborted:
                raise
            return _failed(call, f"{failed_call(call.name)}: {_error_text(error)}")
        # Any error of a tool goes to the model (5.2). A SystemExit ends the tool alone.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            hint = error.hint if isinstance(error, AttractorError) else ""
            return _failed(call, f"{failed_call(call.name)}: {_error_text(error)}", hint)
        except BaseException as error:
            self.controller.abort(_IS_OVER)
            raise _EscapedError(error) from error

    async def _run(self, call: ToolCall) -> ToolResult:
        tool = self.tools.get(call.name)
        if tool is None:
            unknown = UnknownName("tool", call.name, self.tools)
            return _failed(call, f"Unknown tool: {call.name}", unknown.hint)
        arguments = await self._valid_arguments(tool, call)
        if isinstance(arguments, InvalidToolCallError):
            return _failed(call, arguments.message)
        injected = InjectedArguments(self.messages, self.controller.signal, call.id)
        returned = await _call(bind(tool, arguments, injected), tool)
        return ToolResult(call.id, _content(returned, tool))

    async def _valid_arguments(
        self, tool: Tool, call: ToolCall
    ) -> JsonObject | InvalidToolCallError:
        """Return the arguments (repaired if necessary), or the error in the arguments."""
        error = call.fault or _find_error(tool, call.arguments)
        if error is None:
            return call.arguments
        if self.repair is None:
            return error
        repaired = await _call(partial(self.repair, call, tool, error), tool)
        if not isinstance(repaired, Mapping):
            return error
        arguments = cast("JsonObject", repaired)
        return _find_error(tool, arguments) or arguments


class _EscapedError(Exception):
    """Carries an exception out of a task; the exception itself would end the event loop."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _find_error(tool: Tool, arguments: JsonObject) -> InvalidToolCallError | None:
    faults = find_faults(arguments, tool.parameters)
    if not faults:
        return None
    return InvalidToolCallError("\n".join([f"Invalid arguments for tool: {tool.name}", *faults]))


async def _call(function: "partial[object]", tool: Tool) -> object:
    """Call a function and await the result; a synchronous function runs in a thread."""
    if inspect.iscoroutinefunction(function.func):
        return await cast("Awaitable[object]", function())
    returned = await call_in_thread(function, name=f"tool {tool.name}")
    return await returned if inspect.isawaitable(returned) else returned


def _content(returned: object, tool: Tool) -> Content:
    """Return the value of a tool as JSON; a value other than a text, object or list is written as
    text.
    """
    try:
        text = json.dumps(returned, ensure_ascii=False, allow_nan=False)
        value = parse_json(text)
    except (TypeError, ValueError, RecursionError, NotCanonical) as cause:
        raise TypeError(f"the return value of {tool.name} is not JSON: {cause}") from cause
    return value if isinstance(value, str | dict | list) else text


def _failed(call: ToolCall, message: str, hint: str = "") -> ToolResult:
    return ToolResult(call.id, f"{message}\n{hint}" if hint else message, is_error=True)


def _error_text(error: BaseException) -> str:
    """Return the message of an error, or the name of its type if the message is empty."""
    kind = type(error).__name__
    try:
        message = str(error)
    # Even `__str__` of an error in a tool may fail.
    except Exception:  # noqa: BLE001
        message = ""
    if isinstance(error, SystemExit):
        return f"{kind}: {message}"
    # Lone surrogates, for instance of a file name, cannot be sent.
    return message.encode(errors="backslashreplace").decode() or kind


@dataclass(frozen=True)
class InjectedArguments:
    """Arguments for a tool's function, if the function has parameters of these names (5.2)."""

    messages: Sequence[Message]
    abort_signal: AbortSignal
    tool_call_id: str


def bind(tool: Tool, arguments: JsonObject, injected: InjectedArguments) -> "partial[object]":
    """Return a call of a tool's function, with arguments by name or as one mapping."""
    if tool.execute is None:
        raise TypeError(f"the tool {tool.name} has no function")
    try:
        parameters = inspect.signature(tool.execute).parameters
    except (TypeError, ValueError):
        # Some functions written in C have no signature; they get the arguments by name.
        parameters = dict[str, Parameter]()
    properties = tool.parameters.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    # The model's own arguments take precedence over injected ones of the same name.
    extra = {
        name: value
        for name, value in vars(injected).items()
        if name in parameters and name not in properties and parameters[name].kind in _KEYWORD
    }
    rest = [parameter for name, parameter in parameters.items() if name not in extra]
    if _takes_mapping(rest, properties):
        return partial(tool.execute, dict(arguments), **extra)
    return partial(tool.execute, **{**arguments, **extra})


def _takes_mapping(parameters: Sequence[Parameter], properties: JsonObject) -> bool:
    """Return whether the only parameter of a function takes a mapping of all arguments."""
    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if len(required) != 1 or any(parameter.name in properties for parameter in parameters):
        return False
    return required[0].kind in _POSITIONAL

"""Executes the tool calls of one answer: look up, validate, execute, truncate, tell (§3.8)."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from attractor.agent.argument_checking import find_faults
from attractor.agent.conversation import Conversation
from attractor.agent.events import EventKind
from attractor.agent.tool import RegisteredTool
from attractor.agent.truncation import truncate_tool_output
from attractor.base.canonical import JsonObject
from attractor.base.errors import AttractorError, MachineryError, UnknownName
from attractor.llm.tools import ToolCall, ToolResult

_TIME_LIMIT = "timeout_ms"


async def execute_tool_calls(
    conversation: Conversation, calls: Sequence[ToolCall]
) -> Sequence[ToolResult]:
    """Return a result for every call, in the order of the calls."""
    # Two tools that read, change and write one file would undo each other's work.
    changing_files = asyncio.Lock()
    if not conversation.profile.traits.supports_parallel_tool_calls:
        return [await _execute_call(conversation, call, changing_files) for call in calls]
    tasks = [
        asyncio.create_task(_execute_call(conversation, call, changing_files)) for call in calls
    ]
    try:
        return await asyncio.gather(*tasks)
    finally:
        # When one fails for good, or all are aborted, nothing may go on in the dark.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _execute_call(
    conversation: Conversation, call: ToolCall, changing_files: asyncio.Lock
) -> ToolResult:
    conversation.emit(
        EventKind.TOOL_CALL_START,
        tool_name=call.name,
        call_id=call.id,
        arguments=dict(call.arguments),
    )
    tool = conversation.profile.tool_registry.get(call.name)
    if tool is None:
        return _failed(conversation, call, _unknown(conversation, call))
    arguments = _without_nothing(tool, call.arguments)
    faults = [call.fault.message] if call.fault else find_faults(arguments, _schema(tool))
    if faults:
        told = "\n".join([f"Invalid arguments for tool: {call.name}", *faults])
        return _failed(conversation, call, told)
    limited = _with_time_limit(conversation, tool, arguments)
    try:
        async with AsyncExitStack() as stack:
            if tool.changes_files:
                await stack.enter_async_context(changing_files)
            output = await tool.execute(limited, conversation.environment)
    except MachineryError:
        # A full disk or a dead sandbox is nothing a model can mend.
        raise
    # Tools come from anywhere; whatever goes wrong in one, the model is to hear it (§2.5).
    except Exception as error:  # noqa: BLE001
        return _failed(conversation, call, f"Tool error ({call.name}): {_words(error)}")
    conversation.emit(EventKind.TOOL_CALL_END, tool_name=call.name, call_id=call.id, output=output)
    return ToolResult(call.id, truncate_tool_output(output, call.name, conversation.config))


def _failed(conversation: Conversation, call: ToolCall, message: str) -> ToolResult:
    conversation.emit(EventKind.TOOL_CALL_END, tool_name=call.name, call_id=call.id, error=message)
    shown = truncate_tool_output(message, call.name, conversation.config)
    return ToolResult(call.id, shown, is_error=True)


def _unknown(conversation: Conversation, call: ToolCall) -> str:
    unknown = UnknownName("tool", call.name, conversation.profile.tool_registry)
    return f"Unknown tool: {call.name}\n{unknown.hint}"


def _words(error: Exception) -> str:
    if isinstance(error, AttractorError):
        return f"{error.message}\n{error.hint}" if error.hint else error.message
    return str(error) or type(error).__name__


def _schema(tool: RegisteredTool) -> JsonObject:
    return tool.definition.parameters


def _without_nothing(tool: RegisteredTool, arguments: JsonObject) -> JsonObject:
    """Drop what is null and not required: models write null for what they leave out."""
    required = _schema(tool).get("required")
    kept = required if isinstance(required, list) else []
    return {name: value for name, value in arguments.items() if value is not None or name in kept}


def _with_time_limit(
    conversation: Conversation, tool: RegisteredTool, arguments: JsonObject
) -> JsonObject:
    """Give a tool that takes a time limit the one of profile or session, within the maximum."""
    properties = _schema(tool).get("properties")
    if not isinstance(properties, dict) or _TIME_LIMIT not in properties:
        return arguments
    config, traits = conversation.config, conversation.profile.traits
    wanted = arguments.get(_TIME_LIMIT)
    if not isinstance(wanted, int | float):
        wanted = traits.default_command_timeout_ms or config.default_command_timeout_ms
    return {**arguments, _TIME_LIMIT: min(int(wanted), config.max_command_timeout_ms)}

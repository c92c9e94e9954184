"""Executes the tool calls of an answer: validation, hooks, execution, truncation (§3.8, §5)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import field, replace
from enum import StrEnum

from attractor.agent.errors import InvalidArguments
from attractor.agent.events import EventEmitter, EventKind, SessionConfig
from attractor.agent.tool_calls.hooks import NO_HOOKS, HookedCall, HookRun, HookTime, ToolHooks
from attractor.agent.tool_calls.seen_files import SeenFiles
from attractor.agent.tool_calls.tool import (
    RegisteredTool,
    ToolCallScope,
    ToolOutput,
    ToolRegistry,
    ToolState,
)
from attractor.base.call_text import failed_call
from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, MachineryError, UnknownName, UsageError
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.json_schema import find_faults
from attractor.llm.request import ToolCall, ToolResult


class TruncationMode(StrEnum):
    """The part of a long output to keep."""

    HEAD_TAIL = "head_tail"
    TAIL = "tail"


@dataclass(frozen=True)
class OutputBounds:
    """The limits of a tool's output, and the part to keep."""

    max_chars: int
    mode: TruncationMode
    max_lines: int | None = None


DEFAULT_BOUNDS: Mapping[str, OutputBounds] = {
    "read_file": OutputBounds(50_000, TruncationMode.HEAD_TAIL),
    "read_many_files": OutputBounds(60_000, TruncationMode.HEAD_TAIL),
    "shell": OutputBounds(30_000, TruncationMode.HEAD_TAIL, 256),
    "grep": OutputBounds(20_000, TruncationMode.TAIL, 200),
    "glob": OutputBounds(20_000, TruncationMode.TAIL, 500),
    "edit_file": OutputBounds(10_000, TruncationMode.TAIL),
    "apply_patch": OutputBounds(10_000, TruncationMode.TAIL),
    "write_file": OutputBounds(1_000, TruncationMode.TAIL),
    "spawn_agent": OutputBounds(20_000, TruncationMode.HEAD_TAIL),
    "wait": OutputBounds(20_000, TruncationMode.HEAD_TAIL),
}
OTHER_TOOLS = OutputBounds(30_000, TruncationMode.HEAD_TAIL)


def truncate_tool_output(output: str, tool_name: str, config: SessionConfig) -> str:
    """Return a tool's output, truncated for the model."""
    bounds = DEFAULT_BOUNDS.get(tool_name, OTHER_TOOLS)
    max_chars = config.tool_output_limits.get(tool_name, bounds.max_chars)
    max_lines = config.tool_line_limits.get(tool_name, bounds.max_lines)
    shown = truncate_output(output, max_chars, bounds.mode)
    if max_lines is None:
        return shown
    fewer = truncate_lines(shown, max_lines)
    marker = _marker(len(output) - max_chars, bounds.mode).strip()
    if marker in shown and marker not in fewer:
        # The marker was in the omitted lines.
        return f"{marker}\n\n{fewer}"
    return fewer


def truncate_output(output: str, max_chars: int, mode: TruncationMode) -> str:
    """Limit the characters of an output, with a marker (§5.1)."""
    removed = len(output) - max_chars
    if removed <= 0:
        return output
    if mode is TruncationMode.TAIL:
        return _marker(removed, mode) + output[removed:]
    head = max_chars // 2
    return output[:head] + _marker(removed, mode) + output[head + removed :]


def truncate_lines(output: str, max_lines: int) -> str:
    """Limit the lines of an output, half from each end (§5.3)."""
    lines = output.split("\n")
    omitted = len(lines) - max_lines
    if omitted <= 0:
        return output
    head = max_lines // 2
    kept = [*lines[:head], f"[... {omitted} lines omitted ...]", *lines[head + omitted :]]
    return "\n".join(kept)


def _marker(removed: int, mode: TruncationMode) -> str:
    if mode is TruncationMode.TAIL:
        return (
            f"[WARNING: Tool output was truncated. First {removed} characters were removed. "
            "The full output is available in the event stream.]\n\n"
        )
    return (
        f"\n\n[WARNING: Tool output was truncated. {removed} characters were removed from the "
        "middle. The full output is available in the event stream. If you need to see specific "
        "parts, re-run the tool with more targeted parameters.]\n\n"
    )


_TIME_LIMIT = "timeout_ms"
_CLOCK = SystemClock()


@dataclass(frozen=True, kw_only=True)
class ToolRunner:
    """Executes tool calls: validation, hooks, execution and truncation; also without a session.

    Errors of a tool become error results. The configuration has priority over
    `requires_read_before_edit`, but not over `default_timeout_ms`.
    """

    tools: ToolRegistry
    environment: ExecutionEnvironment
    config: SessionConfig = SessionConfig()
    hooks: ToolHooks = NO_HOOKS
    emit: EventEmitter = EventEmitter("", _CLOCK)
    state: ToolState = field(default_factory=ToolState)
    default_timeout_ms: int | None = None
    requires_read_before_edit: bool = False
    in_parallel: bool = True

    async def execute(self, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Return a result for every call, in the order of the calls."""
        # Concurrent changes of the same file would overwrite each other.
        changing_files = asyncio.Lock()
        if not self.in_parallel:
            return [await self._execute_call(call, changing_files) for call in calls]
        tasks = [asyncio.create_task(self._execute_call(call, changing_files)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After an error or an abort, the other tools are cancelled.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _execute_call(self, call: ToolCall, changing_files: asyncio.Lock) -> ToolResult:
        self.emit(
            EventKind.TOOL_CALL_START,
            tool_name=call.name,
            call_id=call.id,
            arguments=dict(call.arguments),
        )
        try:
            return await self._execute_started(call, changing_files)
        except BaseException as error:
            # Every start has an end, also after an abort or a failure of the machine.
            is_abort = isinstance(error, asyncio.CancelledError)
            words = "aborted" if is_abort else f"{type(error).__name__}: {error}"
            self._end(call, error=words)
            raise

    async def _execute_started(self, call: ToolCall, changing_files: asyncio.Lock) -> ToolResult:
        tool = self.tools.get(call.name)
        if tool is None:
            hint = UnknownName("tool", call.name, self.tools).hint
            return self._failed(call, f"Unknown tool: {call.name}\n{hint}")
        arguments, fault = _without_nulls(tool, call.arguments), call.fault
        if fault and tool.text_argument and call.raw_arguments:
            arguments, fault = {tool.text_argument: call.raw_arguments}, None
        faults = [fault.message] if fault else _faults(tool, arguments)
        if faults:
            message = "\n".join([f"Invalid arguments for tool: {call.name}", *faults])
            return self._failed(call, message)
        if self.hooks.permit and (refusal := await self.hooks.permit(call.name, arguments)):
            return self._failed(call, refusal)
        hooked = HookedCall(call.name, call.id, self._with_time_limit(tool, arguments))
        async with AsyncExitStack() as stack:
            if tool.changes_files:
                # Includes the hooks, which may change files too.
                await stack.enter_async_context(changing_files)
            return await self._execute_within_hooks(call, tool, hooked)

    async def _execute_within_hooks(
        self, call: ToolCall, tool: RegisteredTool, hooked: HookedCall
    ) -> ToolResult:
        """Execute a tool call between the two hooks, unless the first hook rejects the call."""
        before = await self._run_hook(HookTime.PRE, hooked)
        if before and not before.is_ok:
            return self._failed(call, before.rejection)
        try:
            output = await self._run(tool, hooked)
        except MachineryError:
            # A model cannot fix a full disk or a dead sandbox.
            raise
        # Any other error of a tool goes to the model (§2.5).
        except Exception as error:  # noqa: BLE001
            words = f"{failed_call(call.name)}: {_words(error)}"
            await self._run_hook(HookTime.POST, replace(hooked, output=words, is_error=True))
            return self._failed(call, words)
        await self._run_hook(HookTime.POST, replace(hooked, output=output.text))
        self._end(call, output=output.text)
        image = output.image
        return ToolResult(
            call.id,
            truncate_tool_output(output.text, call.name, self.config),
            image_data=image.data if image else None,
            image_media_type=image.media_type if image else None,
        )

    async def _run(self, tool: RegisteredTool, call: HookedCall) -> ToolOutput:
        def emit_output(delta: str) -> None:
            self.emit(
                EventKind.TOOL_CALL_OUTPUT_DELTA,
                tool_name=call.tool,
                call_id=call.id,
                delta=delta,
            )

        seen = self.state.of(SeenFiles)
        wanted = self.config.requires_read_before_edit
        if self.requires_read_before_edit if wanted is None else wanted:
            await seen.require(call.tool, call.arguments, self.environment)
        scope = ToolCallScope(call.id, emit_output, self.state)
        output = await tool.run(call.arguments, self.environment, scope)
        seen.learn(call.tool, call.arguments, output.text)
        return output

    async def _run_hook(self, when: HookTime, call: HookedCall) -> HookRun | None:
        """Run a hook, if any, and emit an event with the result of the hook."""
        run = await self.hooks.run(when, call, self.environment)
        if run is not None:
            self.emit(
                EventKind.TOOL_HOOK,
                hook=run.name,
                tool_name=call.tool,
                call_id=call.id,
                command=run.command,
                fault=run.fault,
                output=run.words,
                exit_code=run.exit_code,
                duration_ms=run.duration_ms,
            )
        return run

    def _with_time_limit(self, tool: RegisteredTool, arguments: JsonObject) -> JsonObject:
        """If a tool has a time limit, set the default time limit and apply the maximum."""
        if not tool.has_time_limit:
            return arguments
        wanted = arguments.get(_TIME_LIMIT)
        if not isinstance(wanted, int | float):
            wanted = self.default_timeout_ms or self.config.default_command_timeout_ms
        return {**arguments, _TIME_LIMIT: min(int(wanted), self.config.max_command_timeout_ms)}

    def _failed(self, call: ToolCall, message: str) -> ToolResult:
        self._end(call, error=message)
        shown = truncate_tool_output(message, call.name, self.config)
        return ToolResult(call.id, shown, is_error=True)

    def _end(self, call: ToolCall, **data: str) -> None:
        self.emit(EventKind.TOOL_CALL_END, tool_name=call.name, call_id=call.id, **data)


def _words(error: Exception) -> str:
    if isinstance(error, AttractorError):
        return f"{error.message.rstrip('.')}.\n{error.hint}" if error.hint else error.message
    return str(error) or type(error).__name__


def _faults(tool: RegisteredTool, arguments: JsonObject) -> Sequence[str]:
    try:
        return find_faults(arguments, tool.definition.parameters)
    except UsageError as cause:
        # An invalid schema of a tool does not end the session.
        return [f"invalid tool definition: {cause.message}"]


def _without_nulls(tool: RegisteredTool, arguments: JsonObject) -> JsonObject:
    """Remove optional arguments that are null, because models write null for omitted arguments."""
    required = tool.definition.parameters.get("required")
    kept = required if isinstance(required, list) else []
    return {name: value for name, value in arguments.items() if value is not None or name in kept}


def text_of(arguments: JsonObject, name: str, default: str = "") -> str:
    """Return a text argument."""
    value = arguments.get(name, default)
    if not isinstance(value, str):
        raise InvalidArguments(f"{name} must be string")
    return value


def number_of(arguments: JsonObject, name: str, default: int) -> int:
    """Return an integer argument."""
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArguments(f"{name} must be integer")
    return int(value)


def flag_of(arguments: JsonObject, name: str) -> bool:
    """Return a boolean argument (default: false)."""
    return arguments.get(name) is True

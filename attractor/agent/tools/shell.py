"""Run a shell command with a time limit, or in the background."""

from collections.abc import Callable

from attractor.agent.errors import CommandFailed
from attractor.agent.tool_calls.background_commands import BackgroundCommands
from attractor.agent.tool_calls.execution import flag_of, number_of, text_of
from attractor.agent.tool_calls.tool import RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.base.processes import ExecResult, OnOutput, OutputChunk
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.missing_program import missing_command

# Used without a session, which sets the time limit.
_TIMEOUT_MS = 10_000
_OMITTED = (
    "[{} bytes were omitted, also from the event stream: head and tail of each stream are kept. "
    "Redirect the command to a file to keep its whole output.]\n"
)
MAX_STREAMED = 512 * 1024
"""The limit of the output shown while a command runs, in characters."""


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Return the output of a command; failures and timeouts are errors (App. B)."""
    command = text_of(arguments, "command")
    if flag_of(arguments, "run_in_background"):
        id = await call.state.of(BackgroundCommands).start(command, environment)
        return f"command_id: {id}\nstatus: running\nUse shell_output to read its output."
    timeout_ms = number_of(arguments, "timeout_ms", _TIMEOUT_MS)
    result = await environment.exec_command(
        command, timeout_ms=timeout_ms, on_output=_stream(call.emit_output)
    )
    if result.timed_out:
        raise CommandFailed(
            f"{_printed(result)}[ERROR: Command timed out after {timeout_ms}ms. "
            "Partial output is shown above.\n"
            "You can retry with a longer timeout by setting the timeout_ms parameter.]"
        )
    ending = f"[exit code {result.exit_code}, {result.duration_ms} ms]"
    if result.exit_code:
        missing = missing_command(result)
        raise CommandFailed((f"{missing}\n" if missing else "") + _printed(result) + ending)
    return _printed(result) + ending


def _stream(emit: Callable[[str], None]) -> OnOutput:
    """Return a function that shows output up to a limit."""
    left = MAX_STREAMED

    def show(chunk: OutputChunk) -> None:
        nonlocal left
        if left > 0:
            emit(chunk.text[:left])
        left -= len(chunk.text)

    return show


def _printed(result: ExecResult) -> str:
    output = result.output
    shown = output if not output or output.endswith("\n") else f"{output}\n"
    omitted = result.stdout_omitted + result.stderr_omitted
    return shown + (_OMITTED.format(omitted) if omitted else "")


part = RegisteredTool(
    define(
        "shell",
        "Execute a shell command. Returns stdout, stderr, and exit code.",
        {
            "command": {"type": "string", "minLength": 1, "description": "The command to run."},
            "timeout_ms": {
                "type": "integer",
                "minimum": 1,
                "description": "How many milliseconds the command may take.",
            },
            "run_in_background": {
                "type": "boolean",
                "description": "Start the command, such as a server, and return its id at once "
                "(default: false). It ends with your work at the latest.",
            },
            "description": {
                "type": "string",
                "description": "A description of the command for people.",
            },
        },
        required=["command"],
    ),
    execute,
    has_time_limit=True,
)

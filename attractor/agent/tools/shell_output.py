"""Read the later output of a background command, wait for its end, or stop it."""

from attractor.agent.tool_calls.background_commands import BackgroundCommands
from attractor.agent.tool_calls.execution import flag_of, number_of, text_of
from attractor.agent.tool_calls.tool import RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

LONGEST_WAIT_MS = 600_000


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Return the output since the last call, and whether the command runs."""
    command = call.state.of(BackgroundCommands).find(text_of(arguments, "command_id"))
    await command.wait(number_of(arguments, "wait_ms", 0) / 1000)
    if flag_of(arguments, "stop"):
        await command.stop()
    output, code = command.take_output(), command.exit_code
    ending = "[running]" if code is None else f"[exit code {code}]"
    return output + ("" if not output or output.endswith("\n") else "\n") + ending


part = RegisteredTool(
    define(
        "shell_output",
        "Read the output of a background command since the last call, and whether it runs. It can "
        "also wait for the end of the command, or stop it.",
        {
            "command_id": {
                "type": "string",
                "description": "The id from shell with run_in_background.",
            },
            "wait_ms": {
                "type": "integer",
                "minimum": 0,
                "maximum": LONGEST_WAIT_MS,
                "description": "Wait this many milliseconds for the end first (default: 0).",
            },
            "stop": {"type": "boolean", "description": "Stop the command (default: false)."},
        },
        required=["command_id"],
    ),
    execute,
)

"""Run a shell command, with a time limit."""

from attractor.agent.errors import CommandFailed
from attractor.agent.tool import RegisteredTool, define
from attractor.agent.tool_execution import number_of, text_of
from attractor.base.json import JsonObject
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import missing_command

# Used without a session, which sets the time limit.
_TIMEOUT_MS = 10_000


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Return the output of a command; failures and timeouts are errors (App. B)."""
    timeout_ms = number_of(arguments, "timeout_ms", _TIMEOUT_MS)
    result = await environment.exec_command(text_of(arguments, "command"), timeout_ms=timeout_ms)
    if result.timed_out:
        raise CommandFailed(_printed(result) + _timeout_message(timeout_ms))
    ending = f"[exit code {result.exit_code}, {result.duration_ms} ms]"
    if result.exit_code:
        missing = missing_command(result)
        raise CommandFailed((f"{missing}\n" if missing else "") + _printed(result) + ending)
    return _printed(result) + ending


def _printed(result: ExecResult) -> str:
    output = result.output
    return output if not output or output.endswith("\n") else f"{output}\n"


def _timeout_message(timeout_ms: int) -> str:
    return (
        f"[ERROR: Command timed out after {timeout_ms}ms. Partial output is shown above.\n"
        "You can retry with a longer timeout by setting the timeout_ms parameter.]"
    )


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
            "description": {
                "type": "string",
                "description": "A description of the command for people.",
            },
        },
        required=["command"],
    ),
    execute,
)

"""Find files by a pattern of their names."""

from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Return the matching paths, the newest first."""
    pattern, path = text_of(arguments, "pattern"), text_of(arguments, "path", ".")
    return "\n".join(await environment.glob(pattern, path)) or "No files match"


part = RegisteredTool(
    define(
        "glob",
        "Find files matching a glob pattern.",
        {
            "pattern": {
                "type": "string",
                "minLength": 1,
                "description": "The glob pattern, such as '**/*.ts'.",
            },
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The directory to search (default: working directory).",
            },
        },
        required=["pattern"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)

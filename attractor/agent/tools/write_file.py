"""Write a whole file."""

from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Write the content and return its size."""
    path, content = text_of(arguments, "file_path"), text_of(arguments, "content")
    await environment.write_file(path, content)
    return f"Wrote {len(content.encode())} bytes to {path}"


part = RegisteredTool(
    define(
        "write_file",
        "Write content to a file. Creates the file and parent directories if needed, "
        "and replaces the content of the file.",
        {
            "file_path": {
                "type": "string",
                "minLength": 1,
                "description": "The path of the file, absolute or from the working directory.",
            },
            "content": {"type": "string", "description": "The full content of the file."},
        },
        required=["file_path", "content"],
    ),
    execute,
    changes_files=True,
)

"""Read a file, or some lines of it, with line numbers."""

from attractor.agent.tool import RegisteredTool, define
from attractor.agent.tool_execution import number_of, text_of
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

DEFAULT_LIMIT = 2000


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Return numbered lines, and the next offset if there are more lines."""
    first = number_of(arguments, "offset", 1)
    limit = number_of(arguments, "limit", DEFAULT_LIMIT)
    path = text_of(arguments, "file_path")
    # One more line shows whether more follow.
    text = await environment.read_file(path, offset=first, limit=limit + 1)
    if not text:
        return f"[{path} is empty]" if first == 1 else f"[{path} has no line {first}]"
    lines = text.removesuffix("\n").split("\n")
    numbered = [f"{number} | {line}" for number, line in enumerate(lines[:limit], first)]
    if len(lines) > limit:
        numbered.append(f"[more lines follow; continue with offset={first + limit}]")
    return "\n".join(numbered)


part = RegisteredTool(
    define(
        "read_file",
        "Read a file from the filesystem. Returns line-numbered content.",
        {
            "file_path": {
                "type": "string",
                "minLength": 1,
                "description": "The path of the file, absolute or from the working directory.",
            },
            "offset": {
                "type": "integer",
                "minimum": 1,
                "description": "The 1-based number of the line to start reading from.",
            },
            "limit": {
                "type": "integer",
                "minimum": 1,
                "description": f"How many lines to read at most (default: {DEFAULT_LIMIT}).",
            },
        },
        required=["file_path"],
    ),
    execute,
)

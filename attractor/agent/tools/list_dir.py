"""List a folder, with the folders below it to a depth."""

from attractor.agent.tool_calls.execution import number_of, text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

MOST_ENTRIES = 1000
MOST_DEPTH = 10


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Return one entry a line: folders with a slash, files with their sizes."""
    path, depth = text_of(arguments, "path", "."), number_of(arguments, "depth", 1)
    entries = await environment.list_directory(path, depth=depth)
    # The content of a repository's .git would hide everything else.
    shown = [entry for entry in entries if ".git" not in entry.name.split("/")[:-1]]
    lines: list[str] = []
    for entry in shown[:MOST_ENTRIES]:
        size = "" if entry.size is None else f" ({entry.size} bytes)"
        lines.append(f"{entry.name}/" if entry.is_dir else f"{entry.name}{size}")
    if len(shown) > MOST_ENTRIES:
        left = len(shown) - MOST_ENTRIES
        lines.append(f"[{left} more entries; list a folder below, or use a smaller depth]")
    return "\n".join(lines) or f"[{path} is empty]"


part = RegisteredTool(
    define(
        "list_dir",
        "List the files and folders in a directory.",
        {
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The directory to list (default: working directory).",
            },
            "depth": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_DEPTH,
                "description": "How many levels to list (default: 1, the directory alone).",
            },
        },
        required=[],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)

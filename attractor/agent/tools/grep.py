"""Search the contents of files by a regular expression."""

from attractor.agent.tool_calls.execution import flag_of, number_of, text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment, GrepOptions, GrepOutput

_DEFAULTS = GrepOptions()


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Return the matching lines with their files and line numbers, or the files."""
    options = GrepOptions(
        glob=text_of(arguments, "glob_filter"),
        ignore_case=flag_of(arguments, "case_insensitive"),
        max_results=number_of(arguments, "max_results", _DEFAULTS.max_results),
        output=GrepOutput(text_of(arguments, "output_mode", _DEFAULTS.output)),
    )
    pattern = text_of(arguments, "pattern")
    return await environment.grep(pattern, text_of(arguments, "path", "."), options) or "No matches"


part = RegisteredTool(
    define(
        "grep",
        "Search file contents using regex patterns.",
        {
            "pattern": {
                "type": "string",
                "minLength": 1,
                "description": "The regular expression to search for.",
            },
            "path": {
                "type": "string",
                "minLength": 1,
                "description": "The directory or file to search (default: working directory).",
            },
            "glob_filter": {
                "type": "string",
                "description": "Which files to search, such as '*.py', 'src/**/*.{ts,tsx}' or "
                "'!*.lock'.",
            },
            "case_insensitive": {
                "type": "boolean",
                "description": "Whether upper and lower case are the same (default: false).",
            },
            "max_results": {
                "type": "integer",
                "minimum": 1,
                "description": f"How many lines at most (default: {_DEFAULTS.max_results}).",
            },
            "output_mode": {
                "type": "string",
                "enum": list(GrepOutput),
                "description": "Return matching lines (content, the default), only the files, or "
                "the number of matching lines by file.",
            },
        },
        required=["pattern"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)

"""Replace an exact text in a file."""

from attractor.agent.errors import ToolError
from attractor.agent.patch.apply import find_lines
from attractor.agent.tool import RegisteredTool, define
from attractor.agent.tool_execution import flag_of, text_of
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Replace the text and return the number of replacements."""
    path = text_of(arguments, "file_path")
    before = await environment.read_file(path)
    old, new = text_of(arguments, "old_string"), text_of(arguments, "new_string")
    if old not in before and "\r\n" in before:
        old, new = _with_long_line_ends(old), _with_long_line_ends(new)
    _check(path, before, old, new, everywhere=flag_of(arguments, "replace_all"))
    await environment.write_file(path, before.replace(old, new))
    count = before.count(old)
    return f"Made {count} replacement{'s' if count > 1 else ''} in {path}"


def _check(path: str, text: str, old: str, new: str, *, everywhere: bool) -> None:
    if not old:
        raise ToolError("old_string is empty", hint="use write_file to write a whole file")
    if old == new:
        raise ToolError("old_string and new_string are the same", hint="nothing was changed")
    places = _lines_of(text, old)
    if not places:
        raise ToolError(f"old_string was not found in {path}", hint=_near(text, old))
    if len(places) > 1 and not everywhere:
        numbers = ", ".join(str(place) for place in places)
        raise ToolError(
            f"old_string occurs {len(places)} times in {path}, at lines {numbers}",
            hint="add lines around it until it is unique, or set replace_all",
        )


def _lines_of(text: str, wanted: str) -> list[int]:
    """Return the line numbers of all occurrences."""
    pieces = text.split(wanted)
    lines: list[int] = []
    line = 1
    for piece in pieces[:-1]:
        line += piece.count("\n")
        lines.append(line)
        line += wanted.count("\n")
    return lines


def _near(text: str, old: str) -> str:
    found = find_lines(text.split("\n"), old.strip("\n").split("\n"))
    if found is None:
        return "read the file again and copy the text exactly"
    return (
        f"similar lines with other white space or punctuation begin at line {found + 1}; copy them"
    )


def _with_long_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


part = RegisteredTool(
    define(
        "edit_file",
        "Replace an exact string occurrence in a file. old_string must be unique in the file "
        "unless replace_all is true.",
        {
            "file_path": {
                "type": "string",
                "minLength": 1,
                "description": "The path of the file, absolute or from the working directory.",
            },
            "old_string": {
                "type": "string",
                "description": "The exact text to find, with indentation, without line numbers.",
            },
            "new_string": {"type": "string", "description": "The text to put in its place."},
            "replace_all": {
                "type": "boolean",
                "description": "Replace every occurrence (default: false).",
            },
        },
        required=["file_path", "old_string", "new_string"],
    ),
    execute,
    changes_files=True,
)

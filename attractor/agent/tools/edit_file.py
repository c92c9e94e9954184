"""Replace a text in a file, exactly or with other white space.

If the text does not occur exactly, its lines are searched with the tolerance of patches. They are
replaced if they occur once, and if their indentation differs from the file's uniformly.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

from attractor.agent.errors import ToolError
from attractor.agent.patch.matching import MOST_PLACES, find_all_lines, reindent
from attractor.agent.tool_calls.execution import flag_of, text_of
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

# Lines that occur often take the product of both lengths to compare.
_MOST_COMPARED = 1_000_000


@dataclass(frozen=True)
class Edited:
    """The new text of a file, and the message to the model."""

    text: str
    message: str


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Replace the text and return the number of replacements."""
    path = text_of(arguments, "file_path")
    edited = replace_text(
        await environment.read_file(path),
        text_of(arguments, "old_string"),
        text_of(arguments, "new_string"),
        path=path,
        everywhere=flag_of(arguments, "replace_all"),
    )
    await environment.write_file(path, edited.text)
    return edited.message


def replace_text(text: str, old: str, new: str, *, path: str, everywhere: bool = False) -> Edited:
    """Replace a text that must be unique, unless `everywhere` is set."""
    if not old:
        raise ToolError("old_string is empty", hint="use write_file to write a whole file")
    if old == new:
        raise ToolError("old_string and new_string are the same", hint="nothing was changed")
    if old not in text and "\r\n" in text:
        old, new = _with_long_line_ends(old), _with_long_line_ends(new)
    places = _lines_of(text, old)
    if not places:
        return _replace_similar(text, old, new, path)
    if len(places) > 1 and not everywhere:
        raise ToolError(
            f"old_string occurs {len(places)} times in {path}, at lines {_listed(places)}",
            hint="add lines around it until it is unique, or set replace_all",
        )
    plural = "s" if len(places) > 1 else ""
    return Edited(text.replace(old, new), f"Made {len(places)} replacement{plural} in {path}")


def _replace_similar(text: str, old: str, new: str, path: str) -> Edited:
    """Replace whole lines that differ from `old` in white space or punctuation only."""
    is_long = "\r\n" in text and text.count("\r\n") == text.count("\n")
    text = text.replace("\r\n", "\n") if is_long else text
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    lines, wanted, fresh = text.split("\n"), old.removesuffix("\n").split("\n"), new.split("\n")
    if old.endswith("\n"):
        # The last line end is not replaced; without a new text, the lines are removed.
        fresh = new.removesuffix("\n").split("\n") if new else []
    found = find_all_lines(lines, wanted) if old.strip() else None
    if found is None:
        raise ToolError(
            f"old_string was not found in {path}",
            hint="read the file again and copy the text exactly",
        )
    if len(found.places) > 1:
        numbers = _listed([place + 1 for place in found.places])
        raise ToolError(
            f"old_string was not found in {path}; similar lines begin at lines {numbers}",
            hint="copy the text exactly, with lines around it until it is unique",
        )
    start, end = found.places[0], found.places[0] + len(wanted)
    there = lines[start:end]
    indented = reindent(there, wanted, fresh)
    if indented is None:
        raise ToolError(
            f"old_string was not found in {path}; the lines {start + 1} to {end} match, but their "
            "indentation differs from old_string in more than one way",
            hint="copy these lines with their indentation",
        )
    lines[start:end] = _keep_unchanged(there, wanted, fresh, indented)
    note = " The indentation of new_string was adjusted." if indented != fresh else ""
    return Edited(
        ("\r\n" if is_long else "\n").join(lines),
        f"Made 1 replacement in {path}, at line {start + 1}. old_string differs from the file in "
        f"{found.ignored or 'line ends'}.{note}",
    )


def _keep_unchanged(
    there: Sequence[str], wanted: Sequence[str], fresh: Sequence[str], indented: Sequence[str]
) -> list[str]:
    """Return the new lines; lines that the edit does not change are those of the file."""
    if len(wanted) * len(fresh) > _MOST_COMPARED:
        return list(indented)
    result: list[str] = []
    for tag, start, end, first, last in SequenceMatcher(
        None, wanted, fresh, autojunk=False
    ).get_opcodes():
        result += there[start:end] if tag == "equal" else indented[first:last]
    return result


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


def _listed(numbers: Sequence[int]) -> str:
    more = " ..." if len(numbers) >= MOST_PLACES else ""
    return ", ".join(map(str, numbers[:MOST_PLACES])) + more


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

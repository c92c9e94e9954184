"""Tool calls as text for people; edits are shown as changed lines."""

import json
from collections.abc import Mapping, Sequence

from attractor.base.json import Json

EDITS = frozenset({"apply_patch", "edit_file", "write_file"})
"""The tools whose calls are described by added and removed lines."""
SKIPPED = "Skipped: the tool was not run"
"""The beginning of the message to the model about a call that a hook rejected."""

_AROUND = ("*** Begin Patch", "*** End Patch")
_LONGEST_TITLE = 200


def failed_call(tool: str) -> str:
    """Return the beginning of the message to the model about a failed call of a tool."""
    return f"Tool error ({tool})"


def describe_call(name: str, arguments: Json | Mapping[str, Json]) -> Sequence[str]:
    """Return a tool call as lines: a title, and the changed or executed lines."""
    if not isinstance(arguments, Mapping):
        # A record of a call with long arguments contains a shortened text.
        return [f"{name}: {first_line(str(arguments))}"]
    title, body = _details(name, arguments)
    return [f"{name}: {title}".removesuffix(": "), *body]


def first_line(text: str) -> str:
    """Return the first line of a text, shortened."""
    return next(iter(text.strip().splitlines()), "")[:_LONGEST_TITLE]


def _details(name: str, arguments: Mapping[str, Json]) -> tuple[str, Sequence[str]]:
    path = str(arguments.get("file_path", ""))
    match name, arguments:
        case "edit_file", {"old_string": str(old), "new_string": str(new)}:
            return path, [*_marked("-", old), *_marked("+", new)]
        case "write_file", {"content": str(content)}:
            return path, _marked("+", content)
        case "apply_patch", {"patch": str(patch)}:
            body = [line for line in patch.splitlines() if line not in _AROUND]
            files = [
                line.split(": ", 1)[1] for line in body if line.startswith("*** ") and ": " in line
            ]
            return ", ".join(files), body
        case "shell", {"command": str(command)}:
            first, *more = command.splitlines() or [""]
            return f"$ {first}", more
        case _:
            values = [
                value if isinstance(value, str) else json.dumps(value)
                for value in arguments.values()
            ]
            return " ".join(map(first_line, values)), []


def _marked(mark: str, text: str) -> Sequence[str]:
    return [f"{mark}{line}" for line in text.splitlines()]

"""Read several files at once, by paths and glob patterns."""

import re
from collections.abc import Sequence

from attractor.agent.tool_calls.seen_files import SeenFiles
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolCallScope, define
from attractor.agent.tools.read_file import DEFAULT_LIMIT, part as read_file
from attractor.base.errors import AttractorError, MachineryError
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment

MOST_FILES = 100
MOST_CHARS = 50_000

_PATTERN = re.compile(r"[*?\[]")


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Return the files with line numbers, then the names that were left out, with reasons."""
    given = arguments.get("paths")
    named = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    names, left_out = await _files(named, environment)
    read: list[str] = []
    room = MOST_CHARS
    for name in names[:MOST_FILES]:
        try:
            output = await read_file.run({"file_path": name}, environment)
        except MachineryError:
            raise
        except AttractorError as error:
            left_out.append(f"{name}: {error.message}")
            continue
        if output.image:
            left_out.append(f"{name}: an image; use read_file")
            continue
        block = f"--- {name} ---\n{output.text}"
        if len(block) > room:
            left_out.append(f"{name}: does not fit; use read_file")
            continue
        room -= len(block)
        call.state.of(SeenFiles).add(name)
        read.append(block)
    if more := names[MOST_FILES:]:
        left_out.append(f"{len(more)} more files, from {more[0]} to {more[-1]}")
    notes = (
        ["\n".join(["[Left out:", *(f"- {name}" for name in left_out), "]"])] if left_out else []
    )
    return "\n\n".join([*read, *notes])


async def _files(
    named: Sequence[str], environment: ExecutionEnvironment
) -> tuple[Sequence[str], list[str]]:
    """Return the files that are named or match a pattern, and the patterns without a match."""
    names: dict[str, None] = {}
    unmatched: list[str] = []
    for name in named:
        if not _PATTERN.search(name):
            names[name] = None
        elif found := await environment.glob(name):
            names |= dict.fromkeys(sorted(found))
        else:
            unmatched.append(f"{name}: no files match")
    return list(names), unmatched


part = RegisteredTool(
    define(
        "read_many_files",
        "Read several files at once. Returns line-numbered content, and the names that were left "
        "out.",
        {
            "paths": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "minLength": 1},
                "description": "Paths and glob patterns, such as ['README.md', 'src/**/*.py']. At "
                f"most {MOST_FILES} files, {MOST_CHARS} characters, and {DEFAULT_LIMIT} lines of "
                "each file are read.",
            },
        },
        required=["paths"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)

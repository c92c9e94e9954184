"""Read a file: the numbered lines of a text, an image, or the cells of a notebook."""

from collections.abc import Sequence

from attractor.agent.tool_calls.execution import number_of, text_of
from attractor.agent.tool_calls.notebook import notebook_lines
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolOutput, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable, NotText
from attractor.llm.messages import ImageData

DEFAULT_LIMIT = 2000
MAX_IMAGE = 3_750_000
"""The limit of an image in bytes; in base64, some providers refuse more than 5 MB."""

_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> ToolOutput:
    """Return numbered lines, and the next offset if there are more lines; or an image."""
    first = number_of(arguments, "offset", 1)
    limit = number_of(arguments, "limit", DEFAULT_LIMIT)
    path = text_of(arguments, "file_path")
    if path.endswith(".ipynb"):
        lines = notebook_lines(await environment.read_file(path))
        if lines is not None:
            return ToolOutput(_show(path, lines[first - 1 : first + limit], first, limit))
    try:
        # One more line shows whether more follow.
        text = await environment.read_file(path, offset=first, limit=limit + 1)
    except NotText:
        if image := await _read_image(path, environment):
            return image
        raise
    lines = text.removesuffix("\n").split("\n") if text else []
    numbered = [f"{number} | {line}" for number, line in enumerate(lines, first)]
    return ToolOutput(_show(path, numbered, first, limit))


def _show(path: str, lines: Sequence[str], first: int, limit: int) -> str:
    if not lines:
        return f"[{path} is empty]" if first == 1 else f"[{path} has no line {first}]"
    more = [f"[more lines follow; continue with offset={first + limit}]"]
    return "\n".join([*lines[:limit], *(more if len(lines) > limit else [])])


async def _read_image(path: str, environment: ExecutionEnvironment) -> ToolOutput | None:
    """Return an image; None for any other file."""
    data = await environment.read_bytes(path, limit=MAX_IMAGE + 1)
    kind = image_type(data)
    if not kind:
        return None
    if len(data) > MAX_IMAGE:
        raise FileUnusable(
            f"{path} is an image of more than {MAX_IMAGE} bytes",
            hint="make a smaller copy of the image with a command",
        )
    return ToolOutput(f"[{path}: {kind}, {len(data)} bytes]", ImageData(None, data, kind))


def image_type(data: bytes) -> str:
    """Return the media type of an image by its first bytes; empty for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _IMAGES if data.startswith(start)), "")


part = RegisteredTool(
    define(
        "read_file",
        "Read a file from the filesystem. Returns line-numbered content. Images (PNG, JPEG, GIF, "
        "WebP) are shown; Jupyter notebooks are returned as cells with their outputs.",
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
    needs=Permissions.READ_ONLY,
)

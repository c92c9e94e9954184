"""The text of a file: what counts as text, and lines of it."""

import io
from itertools import islice

from attractor.base.errors import UsageError
from attractor.environments.errors import FileUnusable, NotText


def decode_text(data: bytes, path: str) -> str:
    """Return bytes as text, losing nothing, or refuse what is none."""
    if b"\0" in data:
        raise NotText(f"{path} is a binary file")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise NotText(f"{path} is not UTF-8 text, from byte {cause.start} on") from cause


def encode_text(text: str, path: str) -> bytes:
    """Return text as bytes, or refuse half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as cause:
        hint = "take the half character (a lone surrogate) out of the text"
        raise FileUnusable(f"cannot write {path}: {cause}", hint=hint) from cause


def select_lines(text: str, offset: int | None, limit: int | None) -> str:
    """Return `limit` lines from the 1-based line `offset` on, all when neither is given."""
    start = 1 if offset is None else offset
    if start < 1 or (limit is not None and limit < 0):
        raise UsageError(
            f"there is no line {start}, or no {limit} lines",
            hint="lines are counted from 1, and a limit is not negative",
        )
    stop = None if limit is None else start - 1 + limit
    return "".join(islice(io.StringIO(text, newline="\n"), start - 1, stop))


def printable(name: str) -> str:
    """Return a file's name as text that can be sent anywhere, its unreadable bytes replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

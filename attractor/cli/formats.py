"""Writes a result in the format that is said, else in the one that the file's ending says."""

import os
import sys
from collections.abc import Mapping

from attractor.base.errors import UsageError
from attractor.base.files import write_whole
from attractor.cli.output import show

BINARY = frozenset({"png", "pdf"})
"""The formats that are no text."""


def format_for(
    said: str | None, output: str | None, *, endings: Mapping[str, str], usual: str, noun: str
) -> str:
    """Return what to write: what is said, else what the ending of the file says, else the usual.

    An ending that means something else than what is said is refused: the file would lie.
    """
    ending = os.path.splitext(output or "")[1].lower()  # noqa: PTH122
    meant = endings.get(ending)
    if said and meant and meant != said:
        message = f"{output} ends with {ending}, which is not {said}"
        raise UsageError(message, hint=f"name it otherwise, or leave --format out for {meant}")
    if not said and not meant and ending:
        hint = f"{', '.join(endings)}, or --format"
        raise UsageError(f"{noun} does not end with {ending}", hint=hint)
    return said or meant or usual


def refuse_binary_on_terminal(format_: str, *, is_terminal: bool) -> None:
    """Refuse to show what only a file or another program can take."""
    if format_ in BINARY and is_terminal:
        hint = f"write it into a file: -o OUT.{format_}"
        raise UsageError(f"a terminal cannot show a {format_.upper()}", hint=hint)


def write_result(made: bytes, format_: str, output: str | None) -> None:
    """Put what was made into its file, else on standard output; a text ends with one newline."""
    whole = made if format_ in BINARY else made.rstrip() + b"\n"
    if output:
        write_whole(output, whole)
    elif format_ in BINARY:
        sys.stdout.buffer.write(whole)
    else:
        show(whole.decode().rstrip("\n"))

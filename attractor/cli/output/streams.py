"""Prints results to the streams of the terminal."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TextIO

import click

from attractor.base.control_characters import CONTROL
from attractor.base.errors import AttractorError, ExitCode

_NO_TERMINALS = ("", "dumb", "unknown")


class OutputLost(AttractorError):
    """The output of a command could not be written."""

    exit_code = ExitCode.UNFINISHED
    hint = "the command itself succeeded; run it again with its output redirected to a file"

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"cannot write to standard output: {cause.strerror or cause}")


class Color(StrEnum):
    """The choice when to color output."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


# Without codes that make text invisible: conceal, blink, backgrounds, and black and white, which
# may be the background of the terminal.
_STYLE = r"(?:0?[0-4]|7|2[2-47]|3[1-69]|9[1-6]|38;5;(?:[1-6]|9|1[0-4]))?"
_VISIBLE = rf"(\x1b\[{_STYLE}(?:;{_STYLE})*m)"


def show(text: str, *, err: bool = False, color: bool | None = None, is_file: bool = False) -> None:
    """Print a line for people: a result to stdout, progress or an error to stderr.

    Control characters, such as those of a tool's output, are replaced. With `color`, colors that
    hide no text are kept. With `is_file`, the text is the content of a file and is printed
    unchanged, unless the stream is a terminal.
    """
    is_file = is_file and not is_terminal(sys.stderr if err else sys.stdout)
    try:
        # With color, click leaves escapes as they are.
        line = text if is_file else printable(text, color)
        click.echo(line, err=err, color=is_file or color)
    except BrokenPipeError:
        close_quietly(sys.stderr if err else sys.stdout)
    except OSError as cause:
        if not err:
            raise OutputLost(cause) from cause
        close_quietly(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_draw_live(environ: Mapping[str, str], stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal with a movable cursor."""
    return is_terminal(stream) and environ.get("TERM", "") not in _NO_TERMINALS


class ProgressLine:
    """The last line of a terminal, which each call rewrites; without a terminal, nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._is_shown = False

    def show(self, text: str) -> None:
        """Show how far some work is, in place of the line before; "" removes the line."""
        if (text or self._is_shown) and can_draw_live(self._environ, sys.stderr):
            self._is_shown = bool(text)
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\x1b[K{printable(text)[:width]}", nl=False, err=True)

    def tell(self, text: str) -> None:
        """Print a line to standard error, in place of the line of progress."""
        self.show("")
        show(text, err=True)


def printable(text: str, color: bool | None = None) -> str:
    """Return a text without control characters; with `color`, visible colors are kept."""
    pattern = CONTROL if color is None else f"{_VISIBLE}|{CONTROL}"
    return re.sub(
        pattern, lambda found: found[1] if found.lastindex else "\N{REPLACEMENT CHARACTER}", text
    )


def show_json(value: object, *, is_line: bool = False) -> None:
    """Print a value as ASCII JSON; with `is_line`, on a single line."""
    import json

    show(json.dumps(value, indent=None if is_line else 2))


def show_result(record: object, *lines: str, as_json: bool, is_line: bool = False) -> ExitCode:
    """Print a result as JSON or, for people, as lines; return the exit status of success."""
    if as_json:
        show_json(record, is_line=is_line)
    else:
        show("\n".join(lines))
    return ExitCode.DONE


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def flush(stream: TextIO | None) -> None:
    """Flush a stream, unless the stream is closed."""
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as cause:
        raise OutputLost(cause) from cause


def close_if_broken(stream: TextIO | None) -> None:
    """Redirect a broken stream to the null device, so that exiting does not fail again."""
    try:
        flush(stream)
    except (OSError, OutputLost):
        close_quietly(stream)


def close_quietly(stream: TextIO | None) -> None:
    """Redirect a stream to the null device."""
    if stream is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def wants_color(choice: str, environ: Mapping[str, str], stream: TextIO | None) -> bool:
    """Return whether to color a stream (default: on a terminal, unless NO_COLOR is set)."""
    if choice != Color.AUTO:
        return choice == Color.ALWAYS
    if stream is None:
        return False
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

"""Writes results to files, and prints differences as patches."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from typing import Any, TypeVar

import click

from attractor.base.errors import UsageError
from attractor.base.files import write_whole
from attractor.cli.output.streams import flush, show
from attractor.language.source.text import visible

BINARY = frozenset({"png", "pdf"})
"""Binary formats."""

F = TypeVar("F", bound=Callable[..., Any])


def format_for(
    chosen: str | None, output: str | None, *, endings: Mapping[str, str], default: str, noun: str
) -> str:
    """Return the output format: the chosen format, otherwise by the file extension, otherwise the
    default.

    A file extension that contradicts the chosen format is refused.
    """
    ending = os.path.splitext(output or "")[1].lower()  # noqa: PTH122
    expected_format = endings.get(ending)
    if chosen and expected_format and expected_format != chosen:
        message = f"{output} has the extension {ending}, but the format is {chosen}"
        raise UsageError(message, hint=f"rename it, or remove --format to get {expected_format}")
    if not chosen and not expected_format and ending:
        hint = f"use {', '.join(endings)}, or set --format"
        raise UsageError(f"unknown file extension {ending} for {noun}", hint=hint)
    return chosen or expected_format or default


def output_option(help: str) -> Callable[[F], F]:
    """Return a decorator that adds `-o`: a file, or None for `-`, standard output."""
    return click.option("-o", "--output", metavar="OUT", callback=_output_file, help=help)


def _output_file(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    return None if value == "-" else value


def refuse_binary_on_terminal(format_: str, *, is_terminal: bool) -> None:
    """Refuse to print a binary format to a terminal."""
    if format_ in BINARY and is_terminal:
        hint = f"write it to a file: -o OUT.{format_}"
        raise UsageError(f"cannot print {format_.upper()} to a terminal", hint=hint)


def write_result(made: bytes, format_: str, output: str | None) -> None:
    """Write a result to a file or to standard output; a text ends with one newline."""
    whole = made if format_ in BINARY else made.rstrip() + b"\n"
    if output:
        write_whole(output, whole)
    elif format_ in BINARY:
        sys.stdout.buffer.write(whole)
    else:
        show(whole.decode().rstrip("\n"), is_file=True)


_NO_NEWLINE = "\\ No newline at end of file"
# Two header lines name the file.
_HEAD = 2
_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def text_diff(before: str, after: str, *, file: str, old_file: str = "") -> str:
    """Return the difference of two texts as a patch, without a final newline."""
    lines = unified_diff(_lines(before), _lines(after), old_file or file, file, lineterm="")
    return "\n".join(_with_marks(lines))


def show_diff(diff: str, *, color: bool) -> None:
    """Print a patch; on a terminal, escape control characters."""
    if color or sys.stdout.isatty():
        show(painted_diff(diff), color=color)
    else:
        flush(sys.stdout)
        click.echo(f"{diff}\n".encode(errors="surrogateescape"), nl=False)


def painted_diff(diff: str) -> str:
    """Color a patch and escape its control characters."""
    return "\n".join(_painted(line, number) for number, line in enumerate(diff.split("\n")))


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _with_marks(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.removesuffix("\n")
        if number >= _HEAD and not line.endswith("\n") and line[0] != "@":
            yield _NO_NEWLINE


def _painted(line: str, number: int) -> str:
    shown = visible(line)
    if number < _HEAD:
        return click.style(shown, bold=True)
    color = _COLORS.get(line[:1])
    return click.style(shown, fg=color) if color else shown

"""Writes results to files, prints differences as patches, and aligns two paths."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher, unified_diff
from typing import NamedTuple

import click

from attractor.base.errors import UsageError
from attractor.base.files import write_whole
from attractor.cli.output.streams import flush, show
from attractor.language.source.text import visible

BINARY = frozenset({"png", "pdf"})
"""Binary formats."""


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


_WIDTH = 96
# Comparing takes more than linear time, so the equal beginning is skipped.
_MOST_NODES = 60
_KEPT_BEFORE = 3


class _Column(NamedTuple):
    expected: str
    actual: str
    is_different: bool

    @property
    def width(self) -> int:
        return max(len(self.expected), len(self.actual))


def aligned(expected: Sequence[str], actual: Sequence[str], *, gap: str) -> list[str]:
    """Return lines that show two paths aligned; a gap in the expected path matches any nodes."""
    start = _same_before(expected, actual) - _KEPT_BEFORE
    start = start if start > 1 else 0
    columns = list(_columns(_cut(expected, start), _cut(actual, start), gap))
    return [line for row in _rows(columns) for line in _paths_lines(row)]


def _same_before(expected: Sequence[str], actual: Sequence[str]) -> int:
    pairs = enumerate(zip(expected, actual, strict=False))
    shorter = min(len(expected), len(actual))
    return next((at for at, (one, other) in pairs if one != other), shorter)


def _cut(path: Sequence[str], start: int) -> list[str]:
    before = ["…"] if start else []
    after = ["…"] if len(path) > start + _MOST_NODES else []
    return [*before, *map(visible, path[start : start + _MOST_NODES]), *after]


def _columns(expected: Sequence[str], actual: Sequence[str], gap: str) -> Iterator[_Column]:
    matcher = SequenceMatcher(None, expected, actual, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        left, right = list(expected[i:i_end]), list(actual[j:j_end])
        fits = kind == "equal" or left == [gap]
        for at in range(max(len(left), len(right))):
            one = left[at] if at < len(left) else ""
            yield _Column(one, right[at] if at < len(right) else "", not fits and one != gap)


def _rows(columns: Sequence[_Column]) -> Iterator[list[_Column]]:
    row: list[_Column] = []
    width = 0
    for column in columns:
        if row and width + column.width > _WIDTH:
            yield row
            row, width = [], 0
        row.append(column)
        width += column.width + 2
    if row:
        yield row


def _paths_lines(row: Sequence[_Column]) -> Iterator[str]:
    yield f"expected  {'  '.join(one.expected.ljust(one.width) for one in row)}".rstrip()
    yield f"actual    {'  '.join(one.actual.ljust(one.width) for one in row)}".rstrip()
    if any(one.is_different for one in row):
        marks = ("^" * one.width if one.is_different else " " * one.width for one in row)
        yield f"          {'  '.join(marks)}".rstrip()

"""Shows how a text would change, as a patch."""

import sys
from collections.abc import Iterator
from difflib import unified_diff

import click

from attractor.cli.output import flush, show
from attractor.language.source.text import visible

_NO_NEWLINE = "\\ No newline at end of file"
# Two lines say which file it is.
_HEAD = 2
_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def text_diff(before: str, after: str, *, file: str, old_file: str = "") -> str:
    """Return the difference of two texts as a patch, without a newline at its end."""
    lines = unified_diff(_lines(before), _lines(after), old_file or file, file, lineterm="")
    return "\n".join(_with_marks(lines))


def show_diff(diff: str, *, color: bool) -> None:
    """Write a patch: for a terminal so that nothing can be obeyed, for a pipe byte by byte."""
    if color or sys.stdout.isatty():
        show(painted_diff(diff), color=color)
    else:
        flush(sys.stdout)
        click.echo(f"{diff}\n".encode(errors="surrogateescape"), nl=False)


def painted_diff(diff: str) -> str:
    """Colour a patch for a terminal; nothing in it is left that a terminal would obey."""
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

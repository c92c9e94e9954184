"""Prints the transcript of an agent's stage for people."""

from collections.abc import Callable, Mapping, Sequence

import click

from attractor.base.amounts import number_of
from attractor.cli.output.streams import printable
from attractor.records.transcript import EntryKind, TranscriptEntry

MOST_LINES = 60
_MOST: Mapping[EntryKind, int] = {EntryKind.OUTPUT: 12, EntryKind.FAILURE: 8}
_COLORS: Mapping[EntryKind, str] = {
    EntryKind.INPUT: "blue",
    EntryKind.STEERING: "blue",
    EntryKind.CALL: "cyan",
    EntryKind.FAILURE: "red",
    EntryKind.WARNING: "yellow",
    EntryKind.ERROR: "red",
}
_EDIT_COLORS = {"+": "green", "-": "red"}
_INDENT = " " * len("00:00:00  ")

Paint = Callable[[str, str], str]
"""Type of a function that colors a text, by the name of a color."""


def _plain(text: str, color: str) -> str:
    return text


def painter(is_colored: bool) -> Paint:
    """Return the function that colors a text, or returns it unchanged."""
    return (lambda text, color: click.style(text, fg=color)) if is_colored else _plain


def entry_lines(entry: TranscriptEntry, paint: Paint = _plain) -> list[str]:
    """Return an entry of a transcript as lines; a long body is cut in the middle.

    Only `paint` colors: the escapes of an agent could hide a part of its text.
    """
    color, title_text = _COLORS.get(entry.kind), printable(entry.title)
    title = [paint(title_text, color) if color else title_text] if title_text else []
    body = [printable(line) for line in entry.body]
    if entry.kind is not EntryKind.TEXT:
        body = _cut(body, _MOST.get(entry.kind, MOST_LINES))
    if entry.is_edit:
        body = [_painted(line, paint) for line in body]
    first, *more = [*title, *body]
    time = entry.time.astimezone().strftime("%H:%M:%S") if entry.time else "--:--:--"
    who = f"({printable(entry.subagent)}) " if entry.subagent else ""
    return [f"{time}  {who}{first}", *(f"{_INDENT}{line}" for line in more)]


def _painted(line: str, paint: Paint) -> str:
    return paint(line, _EDIT_COLORS[line[0]]) if line[:1] in _EDIT_COLORS else line


def _cut(lines: Sequence[str], most: int) -> list[str]:
    if len(lines) <= most:
        return list(lines)
    half = most // 2
    hidden = lines[half:-half]
    # An output that the transcript shortens names the file with the whole of it.
    places = [one for one in hidden if one.startswith("[... ") and one.endswith(" ...]")]
    omitted = f"... {number_of(len(hidden), 'line')} omitted ..."
    return [*lines[:half], omitted, *places[:1], *lines[-half:]]

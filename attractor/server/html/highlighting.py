"""Highlights code and diffs as HTML with classes; without styles, scripts or links."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class_for_filename

from attractor.base.dataclasses import dataclass

LARGEST = 100_000
"""The length of a text above which it is not highlighted."""

_FORMATTER = HtmlFormatter[str](nowrap=True)


def highlighted(text: str, name: str) -> Markup:
    """Return a text as HTML, with the syntax that the name of its file suggests."""
    if len(text) > LARGEST:
        return escape(text)
    # A lexer is chosen by the name alone: guessing from a long text is slow.
    names = (PurePath(name).name, "plain.txt")
    found = next(filter(None, map(find_lexer_class_for_filename, names)))
    return Markup(highlight(text, found(stripnl=False, ensurenl=False), _FORMATTER))


@dataclass(frozen=True)
class DiffLine:
    """A line of a diff: `added`, `removed`, `same`, `hunk` or `note`, with its line numbers."""

    kind: str
    old: int | None
    new: int | None
    content: Markup


_HUNK = re.compile(r"@@ -([0-9]+)(?:,[0-9]+)? \+([0-9]+)(?:,[0-9]+)? @@")
_SIGNS = {"+": "added", "-": "removed", " ": "same"}


def diff_lines(text: str, name: str) -> Sequence[DiffLine]:
    """Return the lines of a unified diff of one file, highlighted."""
    lines = text.splitlines()
    begin = next((at for at, line in enumerate(lines) if _HUNK.match(line)), len(lines))
    code = [line[1:] for line in lines[begin:] if line[:1] in _SIGNS]
    shown = iter(lines_of(code, name))
    return list(_lines(lines[begin:], shown))


def lines_of(code: Sequence[str], name: str) -> Sequence[Markup]:
    """Return lines of code, highlighted as one text; both sides of a diff nearly always are one."""
    # The formatter ends the last line, even of a text that does not.
    whole = highlighted("".join(f"{line}\n" for line in code), name).split("\n")[:-1]
    if len(whole) != len(code):
        return [escape(line) for line in code]
    return [Markup(line) for line in whole]


def _lines(lines: Sequence[str], shown: Iterator[Markup]) -> Iterator[DiffLine]:
    old = new = 0
    for line in lines:
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[2])
            yield DiffLine("hunk", None, None, escape(line))
            continue
        kind = _SIGNS.get(line[:1], "note")
        if kind == "note":
            yield DiffLine(kind, None, None, escape(line))
            continue
        is_old, is_new = kind != "added", kind != "removed"
        yield DiffLine(kind, old if is_old else None, new if is_new else None, next(shown))
        old, new = old + is_old, new + is_new

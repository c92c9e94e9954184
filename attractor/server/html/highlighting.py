"""Highlights code and diffs as HTML with classes; without styles, scripts or links."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, zip_longest
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
    # Not splitlines: a form feed inside a line begins no other one.
    lines = text.removesuffix("\n").split("\n")
    begin = next((at for at, line in enumerate(lines) if _HUNK.match(line)), len(lines))
    # A string that begins in a removed line does not colour the added ones.
    after = [line[1:] for line in lines[begin:] if line[:1] in ("+", " ")]
    before = [line[1:] for line in lines[begin:] if line[:1] in ("-", " ")]
    is_same = all(not line.startswith("-") for line in lines[begin:])
    old, new = () if is_same else lines_of(before, name), lines_of(after, name)
    return list(_lines(lines[begin:], iter(old), iter(new)))


def lines_of(code: Sequence[str], name: str) -> Sequence[Markup]:
    """Return lines of code, highlighted as one text."""
    # The formatter ends the last line, even of a text that does not.
    whole = highlighted("".join(f"{line}\n" for line in code), name).split("\n")[:-1]
    if len(whole) != len(code):
        return [escape(line) for line in code]
    return [Markup(line) for line in whole]


def _lines(
    lines: Sequence[str], old_code: Iterator[Markup], new_code: Iterator[Markup]
) -> Iterator[DiffLine]:
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
        before = next(old_code, Markup()) if is_old else Markup()
        content = next(new_code) if is_new else before
        yield DiffLine(kind, old if is_old else None, new if is_new else None, content)
        old, new = old + is_old, new + is_new


DiffRow = tuple[DiffLine | None, DiffLine | None]
"""A line before and a line after the changes; `None` where the other has no counterpart."""


def side_by_side(lines: Iterable[DiffLine]) -> Iterator[DiffRow]:
    """Yield the lines of a diff in rows: removed lines beside the added ones that follow them."""
    for is_change, group in groupby(lines, lambda line: line.kind in ("added", "removed")):
        found = list(group)
        removed = [line for line in found if line.kind != "added"]
        added = [line for line in found if line.kind == "added"] if is_change else found
        yield from zip_longest(removed, added)

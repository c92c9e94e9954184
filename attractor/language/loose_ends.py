"""Finds values without their quotes, keys without a value, and comments that begin with `#`.

Read word by word each of them would look like several mistakes. They are looked for only in a text
that cannot be read.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.patterns import COMMENT, SMART_QUOTES
from attractor.language.unquoted import Place, end_of_unquoted

_NAME = r"[^\W\d]\w*"
_KEY = rf"(?:{_NAME}(?:\.{_NAME})*)"
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_MARK = re.compile(
    rf"""(?:sub|di)?graph\b[^\n{{}}\[\];"]{{0,99}}\{{
    |(?P<key>{_KEY}|{_TEXT})[^\S\n]*=(?![=>~])(?P<gap>\s*)
    |{_TEXT} | ".* | {COMMENT.pattern} | /\*.*
    |(?<=[\s;,\]}}{{])(?P<comment>\#[^\n]*)
    |(?P<bracket>[\[\]])
    |[\w.-]+""",
    re.VERBOSE | re.DOTALL,
)
_STATEMENT = re.compile(
    rf"(?:{_NAME}|{_TEXT})\s*(?:->|--|\[|=(?!=))|subgraph\b|(?:node|edge|graph)\s*\[", re.DOTALL
)
_SMART = "".join(sorted(SMART_QUOTES))
_QUOTE = rf"['`{_SMART}]"
_BEHIND_A_TEXT = (
    rf"\s*(?:\Z|[,;]\s*(?:{_KEY}\s*=|\"|\]|\Z)|\]|\}}|{_KEY}\s*=|//|/\*|\#)|[^\S\n]*[;\n]"
)
_CLOSING = {
    **dict.fromkeys(SMART_QUOTES, re.compile(rf"[{_SMART}](?={_BEHIND_A_TEXT})")),
    "'": re.compile(rf"(?<!\\)'(?={_BEHIND_A_TEXT})"),
    "`": re.compile(rf"`(?={_BEHIND_A_TEXT})"),
}
_OPENS_ANOTHER = re.compile(rf"=\s*(?:{_QUOTE}|\")")
_ANGLE = re.compile(r"[<>]")


class Looseness(Enum):
    """What is wrong."""

    OTHER_QUOTES = auto()
    OPEN_QUOTE = auto()
    NO_QUOTES = auto()
    HTML = auto()
    EMPTY = auto()
    COMMENT = auto()


class LooseEnd(NamedTuple):
    """A value, a key that has none or a comment; `before` is what stands before the value."""

    what: Looseness
    start: int
    end: int
    before: str = ""


def find_loose_ends(text: str) -> Iterator[LooseEnd]:
    """Yield what is loose, in its order."""
    return _Walk(text).find()


class _Walk:
    """One walk through a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_in_list = False
        self._has_open_html = False
        self._line_ends = -1

    def find(self) -> Iterator[LooseEnd]:
        at = 0
        while found := _MARK.search(self._text, at):
            at = found.end()
            if found["comment"]:
                yield LooseEnd(Looseness.COMMENT, *found.span("comment"))
            elif found["bracket"]:
                self._is_in_list = found["bracket"] == "["
            elif found["key"] and "\n" in found["gap"]:
                if _STATEMENT.match(self._text, at):
                    before = found[0].rstrip()
                    yield LooseEnd(Looseness.EMPTY, found.start(), found.start("gap"), before)
            elif found["key"]:
                start = at
                what, at = self._judge(start, found["key"])
                if what:
                    yield LooseEnd(what, start, at, " ".join(found[0].split(" ")))

    def _judge(self, at: int, key: str) -> tuple[Looseness | None, int]:
        """Return what is wrong with a value, if anything, and where to go on."""
        first = self._text[at : at + 1]
        if first in ("", '"'):
            return None, at
        if first == "<":
            return self._html(at)
        if first in _CLOSING:
            end = self._end_of_quoted(at, _CLOSING[first])
            return (Looseness.OTHER_QUOTES, end) if end else self._open(at)
        end, is_loose = end_of_unquoted(Place(self._text, at, key, self._is_in_list))
        return Looseness.NO_QUOTES if is_loose else None, end

    def _end_of_quoted(self, at: int, closing: re.Pattern[str]) -> int:
        """Return where a text in other quotes ends, which may go over lines; 0 if it is open."""
        found = closing.search(self._text, at + 1, self._end_of_line(at))
        if found is None:
            other = _OPENS_ANOTHER.search(self._text, at + 1)
            found = closing.search(self._text, at + 1, other.start() if other else len(self._text))
        return found.end() if found else 0

    def _open(self, at: int) -> tuple[Looseness, int]:
        line = self._text[at : self._end_of_line(at)].rstrip(" \t\r];}")
        return Looseness.OPEN_QUOTE, at + max(len(line), 1)

    def _end_of_line(self, at: int) -> int:
        # A long line is looked through once, however many values stand in it.
        if at > self._line_ends:
            end = self._text.find("\n", at)
            self._line_ends = end if end >= 0 else len(self._text)
        return self._line_ends

    def _html(self, at: int) -> tuple[Looseness | None, int]:
        """Find the end of an HTML label; of one in a line anybody can tell."""
        depth = 0
        for found in () if self._has_open_html else _ANGLE.finditer(self._text, at):
            depth += 1 if found[0] == "<" else -1
            if not depth:
                is_long = "\n" in self._text[at : found.end()]
                return Looseness.HTML if is_long else None, found.end()
        self._has_open_html = True
        return None, at + 1

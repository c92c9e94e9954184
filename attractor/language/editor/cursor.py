"""Finds what is being written at an offset."""

import re
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.graph.attribute_catalogue import (
    AttributeOwner,
)

_PIECE = re.compile(
    r"""" [^"\\]* (?: \\. [^"\\]* )* (?: " | \Z )
      | (?P<comment> // [^\n]* (?P<line_end> \n )? | /\* .*? (?: \*/ | \Z ) )
      | (?P<sign> [\[\]{};,] )""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r'\s*"?(?P<key>[\w.]+)"?\s*=\s*(?P<quote>"?)(?P<value>[^"]*)\Z', re.DOTALL)
_WORD = re.compile(r"[\w.-]*\Z")
_EDGE = re.compile(r'->\s*(?:"[^"]*"|[\w:]+)\s*\Z')
_HEADS = {"graph": AttributeOwner.GRAPH, "node": AttributeOwner.NODE, "edge": AttributeOwner.EDGE}


class CursorKind(Enum):
    """The kinds of text at the cursor."""

    NOTHING = auto()
    STATEMENT = auto()
    TARGET = auto()
    KEY = auto()
    VALUE = auto()


class Cursor(NamedTuple):
    """The kind of text at the cursor, its owner, and its beginning."""

    writing: CursorKind
    place: AttributeOwner = AttributeOwner.GRAPH
    key: str = ""
    begun: str = ""
    is_quoted: bool = False


class _Open(NamedTuple):
    """The start of the statement at the cursor, and the part of its list."""

    statement: int = 0
    bracket: int = -1
    part: int = 0

    @property
    def is_list(self) -> bool:
        return self.bracket >= 0


def cursor_at(text: str, offset: int) -> Cursor:
    """Return the kind of text at an offset."""
    before = text[:offset]
    open_ = _Open()
    for found in _PIECE.finditer(before):
        if found["comment"] and _is_unfinished(found):
            return Cursor(CursorKind.NOTHING)
        if found["sign"]:
            open_ = _behind(open_, found["sign"], found.start(), found.end())
    if open_.is_list:
        return _in_list(before[open_.part :], _place(before[open_.statement : open_.bracket]))
    return _outside(before[open_.statement :])


def _is_unfinished(found: re.Match[str]) -> bool:
    return not (found["line_end"] or found["comment"].endswith("*/"))


def _behind(open_: _Open, sign: str, start: int, end: int) -> _Open:
    match sign:
        case "[":
            return _Open(open_.statement, start, end)
        case "]" | "{" | "}":
            return _Open(statement=end)
        case "," | ";" if open_.is_list:
            return open_._replace(part=end)
        case ";":
            return _Open(statement=end)
        case _:
            return open_


def _place(head: str) -> AttributeOwner:
    """Return the owner of a list by the words before it."""
    if _EDGE.search(head):
        return AttributeOwner.EDGE
    words = head.split()
    return _HEADS.get(words[-1], AttributeOwner.NODE) if words else AttributeOwner.NODE


def _in_list(part: str, place: AttributeOwner) -> Cursor:
    return _value(part, place) or Cursor(CursorKind.KEY, place, begun=_begun(part))


def _outside(statement: str) -> Cursor:
    line = statement[statement.rfind("\n") + 1 :]
    if value := _value(line, AttributeOwner.GRAPH):
        return value
    if statement.count('"') % 2:
        return Cursor(CursorKind.NOTHING)
    begun = _begun(statement)
    is_target = statement[: len(statement) - len(begun)].rstrip().endswith("->")
    return Cursor(CursorKind.TARGET if is_target else CursorKind.STATEMENT, begun=begun)


def _value(part: str, place: AttributeOwner) -> Cursor | None:
    found = _KEY.match(part)
    if found is None:
        return None
    return Cursor(CursorKind.VALUE, place, found["key"], found["value"], bool(found["quote"]))


def _begun(part: str) -> str:
    found = _WORD.search(part)
    return found[0] if found else ""

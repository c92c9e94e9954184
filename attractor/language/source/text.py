"""Reads and writes words, quoted texts and comments; finds the places of all three in a file."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from attractor.base.control_characters import CONTROL
from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration, UsageError
from attractor.base.patterns import late_pattern
from attractor.language.source.syntax_tree import (
    LONGEST_NUMBER,
    Attribute,
    Attributes,
    Plain,
    Span,
    Value,
    ValueKind,
    parse_integer,
    quoted,
)

_NEWLINE = late_pattern("\n")


class Source:
    """A text with the name of its file."""

    def __init__(self, text: str, file: str = "") -> None:
        self.text = text
        self.file = file

    def span(self, start: int, end: int) -> Span:
        """Return the span between two offsets."""
        starts = self._line_starts
        # Spans of a line share the integer of its number: a large text has very many spans.
        line = end_line = self._numbers[bisect_right(starts, start)]
        if line < len(starts) and end >= starts[line]:
            end_line = self._numbers[bisect_right(starts, end)]
        return Span(
            self.file, line, start - starts[line - 1] + 1, end_line, end - starts[end_line - 1] + 1
        )

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column."""
        return self._line_starts[line - 1] + column - 1

    def line(self, number: int) -> str:
        """Return a line without its end; an empty text if there is no such line."""
        starts = self._line_starts
        if not 0 < number <= len(starts):
            return ""
        start = starts[number - 1]
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")

    @cached_property
    def _numbers(self) -> list[int]:
        return list(range(len(self._line_starts) + 1))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(newline.end() for newline in _NEWLINE.finditer(self.text))]


_NAME = r"[^\W\d]\w*"
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PREPROCESSOR = r"(?<![^\n])\#[^\n]*"
_COMMENT = rf"(?://[^\n]*(?:\n|\Z)|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|{_PREPROCESSOR})"
_BLANK = rf"\s*(?:{_COMMENT}\s*)*"
_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
_WORD = rf"[^\s,;\[\]{{}}\"=<>/+{_QUOTES}]+"
_INSIDE = rf'[^\[\]"/\#{{}}]*(?:(?:{_TEXT}|{_COMMENT}|/(?![/*])|(?<=[^\n])\#)[^\[\]"/\#{{}}]*)*'
_HTML = r"<[^<>\n]*(?:<[^<>\n]*>[^<>\n]*)*>"
_TERMINALS = {
    "NAME": _NAME,
    "TEXT": _TEXT,
    "ATTRIBUTES": rf"\[{_INSIDE}\]",
    "_ARROW": r"->(?!>)",
    "_SEMICOLON": ";",
    "_OPEN": r"\{",
    "_CLOSE": r"\}",
    "_COLON": ":",
    # The grammar has no rule for the following tokens: each is a syntax error.
    "DASHES": r"--+>?",
    "OTHER_ARROW": (r"->>|=+>|<-+>?|>{1,2}|-[ \t]+>|[~\u2013\u2014\u2212]+>?|\u2192|\u27f6|\u21d2"),
    "HTML": _HTML,
    "NUMBER": r"-?\.?\d[\w.]*",
    "UNCLOSED_TEXT": r'"',
    "UNCLOSED_LIST": r"\[",
    "UNCLOSED_COMMENT": r"/\*",
    "SMART_QUOTE": f"[{_QUOTES}]",
    "OTHER": ".",
}

TOKEN = late_pattern(
    _BLANK + "(?:" + "|".join(f"(?P<{name}>{one})" for name, one in _TERMINALS.items()) + r")?",
    re.DOTALL,
)
"""Blanks and comments, then one token in a group with its name; no group at the end.

A name or a text may begin an attribute.
"""

ATTRIBUTE = late_pattern(
    rf"""(?:(?P<key>{_NAME}(?:\.{_NAME})*)|(?P<quoted_key>{_TEXT}))
    {_BLANK}={_BLANK}
    (?:(?P<text>{_TEXT})(?P<more>(?:{_BLANK}\+{_BLANK}{_TEXT})+)?|(?P<word>{_WORD}))
    {_BLANK}(?P<separator>[,;]?){_BLANK}""",
    re.DOTALL | re.VERBOSE,
)
"""An attribute with its separator and the blanks behind it."""

BLANK = late_pattern(_BLANK)
"""Blanks and comments."""

TEXT = late_pattern(_TEXT, re.DOTALL)
"""A quoted text."""

COMMENT = late_pattern(_COMMENT, re.DOTALL)
"""A comment."""

TEXT_OR_COMMENT = late_pattern(f"{_TEXT}|{_COMMENT}", re.DOTALL)
"""A quoted text or a comment."""

INSIDE_LIST = late_pattern(_INSIDE, re.DOTALL)
"""The text between the brackets of an attribute list."""

SMART_QUOTES = frozenset(_QUOTES)
"""Typographic quotes."""

IDENTIFIER = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*")
"""An id as the specification defines it."""

QUALIFIED = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
"""A key as the specification defines it."""

WORD = late_pattern(_WORD)
"""An unquoted value, valid or not."""

BARE = late_pattern(r"[A-Za-z_][A-Za-z0-9_.:-]*")
"""A valid unquoted value."""

NUMBER = late_pattern(r"(?P<integer>-?[0-9]+)|(?P<float>-?[0-9]*\.[0-9]+)")
"""An integer or a decimal number."""

DURATION = late_pattern(r"-?[0-9]+(?:ms|s|m|h|d)")
"""An integer with a unit of time."""

_LONGEST = 40
_CONTROL = late_pattern(CONTROL)


def quote(text: str) -> str:
    """Return a text in quotes, truncated."""
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[:_LONGEST]}…'"


def visible(text: str) -> str:
    """Return a text on one line, without control characters."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\n", "\\n"))


def columns_of(text: str) -> int:
    """Return the width of a text in terminal columns."""
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if letter.isascii():
        return 1
    return 0 if combining(letter) else 1 + (east_asian_width(letter) in "WF")


_ESCAPE = late_pattern(r"\\(\r\n|.)", re.DOTALL)
_MEANT = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_LIKE_A_DURATION = late_pattern(r"-?[0-9]*\.?[0-9]+(?!e[0-9])[A-Za-z]+")
_LIKE_A_NUMBER = late_pattern(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class Literal(NamedTuple):
    """Kind and meaning of a value, or the reason why it is invalid."""

    kind: ValueKind
    plain: Plain
    fault: str = ""
    fix: str = ""


@lru_cache(maxsize=1024)
def read_word(word: str) -> Literal:
    """Parse an unquoted value (attractor-spec 2.4)."""
    if word in ("true", "false"):
        return Literal(ValueKind.BOOLEAN, word == "true")
    if BARE.fullmatch(word):
        return Literal(ValueKind.BARE, word)
    if NUMBER.fullmatch(word):
        return _number(word)
    if DURATION.fullmatch(word) or _LIKE_A_DURATION.fullmatch(word):
        return _duration(word)
    if _LIKE_A_NUMBER.fullmatch(word):
        try:
            written = Value.of(float(word)).text
        except UsageError:
            written = f'"{word}"'
        return _mistaken(f"invalid number {quote(word)}", f"write {written}")
    if word.startswith("'"):
        return _mistaken("a text needs double quotes", "replace ' with \"")
    return _mistaken(f"the value {quote(word)} needs quotes", f'write "{word}"')


def read_text(inside: str) -> tuple[str, bool]:
    r"""Replace the escapes of a text.

    Also return whether the text has escapes other than \" \\ \n and \t.
    """
    if "\\" not in inside:
        return inside, False
    plain = _ESCAPE.sub(lambda found: _meaning(found[1]), inside)
    return plain, any(found not in _MEANT for found in _ESCAPE.findall(inside))


def _meaning(escaped: str) -> str:
    if escaped in ("\n", "\r\n"):
        return ""
    # Other escapes belong to Graphviz, such as \l for left-aligned lines.
    return _MEANT.get(escaped, f"\\{escaped}")


def _number(word: str) -> Literal:
    whole = parse_integer(word)
    if whole is not None:
        return Literal(ValueKind.INTEGER, whole)
    if "." not in word or len(word) > LONGEST_NUMBER:
        return _mistaken(f"the number {quote(word)} is too long", "use a shorter number")
    return Literal(ValueKind.FLOAT, float(word))


def _duration(word: str) -> Literal:
    try:
        return Literal(ValueKind.DURATION, parse_duration(word))
    except InvalidDuration as error:
        return _mistaken(error.message, f"{error.hint} (a text needs quotes)".lstrip())


def _mistaken(fault: str, fix: str) -> Literal:
    return Literal(ValueKind.BARE, "", fault, fix)


class Comment(NamedTuple):
    """A comment and its place."""

    text: str
    start: int
    end: int

    @property
    def is_preprocessor(self) -> bool:
        """Whether the comment is a line of the C preprocessor, which pipelines ignore."""
        return self.text.startswith("#")

    @property
    def written(self) -> str:
        """The comment in the notation of the specification."""
        if not self.is_preprocessor:
            return self.text
        return f"// {self.text.lstrip('#').strip()}".rstrip()


def comments_between(text: str, start: int, end: int) -> Iterator[Comment]:
    """Yield the comments between two offsets, which must not have a quoted text between them."""
    for found in COMMENT.finditer(text, start, end):
        yield _comment(found)


def comments_of(text: str) -> Iterator[Comment]:
    """Yield the comments of a text in order."""
    for found in TEXT_OR_COMMENT.finditer(text):
        if not found[0].startswith('"'):
            yield _comment(found)


def _comment(found: re.Match[str]) -> Comment:
    text = found[0].rstrip()
    return Comment(text, found.start(), found.start() + len(text))


KEYWORDS = frozenset({"digraph", "subgraph", "graph", "node", "edge", "strict"})
"""The keywords of DOT."""

_DEEPEST = 20

COMPASS = frozenset({"n", "ne", "e", "se", "s", "sw", "w", "nw", "c", "_"})
"""Ports that every node has; these ports are never labels."""


def is_plain(word: str) -> bool:
    """Return whether a word needs no quotes in any program."""
    return IDENTIFIER.fullmatch(word) is not None and not is_keyword(word)


def is_keyword(word: str) -> bool:
    """Return whether a word is a keyword for Graphviz, in upper or lower case."""
    return word.casefold() in KEYWORDS


def written_word(word: str) -> str:
    """Write an id or a key, in quotes only if necessary."""
    return word if is_plain(word) else quoted(word)


def written_value(value: Value) -> str:
    """Write a value."""
    match value.kind:
        case ValueKind.STRING:
            return quoted_in_lines(str(value))
        case ValueKind.BARE | ValueKind.DURATION:
            return written_word(str(value))
        case _:
            return value.text


def written_attribute(attribute: Attribute) -> str:
    """Write `key=value`."""
    return f"{written_word(attribute.key)}={written_value(attribute.value)}"


def written_list(attributes: Attributes) -> str:
    """Write ` [key=value, ...]`; an empty list is left out."""
    inside = ", ".join(written_attribute(one) for one in attributes.by_key.values())
    return f" [{inside}]" if inside else ""


def skip_blank(text: str, at: int, last: int) -> int:
    """Return the position after white space and comments."""
    blank = BLANK.match(text, at, last)
    return blank.end() if blank else at


def quoted_in_lines(text: str) -> str:
    r"""Quote a text; line breaks are kept and not written as `\n`."""
    lines = (quoted(line)[1:-1] for line in text.split("\n"))
    return '"' + "\n".join(lines) + '"'


def margin(depth: int) -> str:
    """Return the indentation of a line, limited to 20 levels."""
    return "    " * min(depth, _DEEPEST)


_ESCAPE_OR_NEWLINE = late_pattern(r"\\(?:\r\n|.)|\n", re.DOTALL)


def span_within(value: Value, start: int, end: int) -> Span:
    """Return the span of a part of a value.

    If the value is not a single text, return the span of the whole value.
    """
    plain, whole = value.plain, value.span
    places = _places(value.text, plain) if isinstance(plain, str) else None
    if places is None or not whole.is_somewhere:
        return whole
    line, column = places.of_start(max(start, 0))
    end_line, end_column = places.of_end(max(end, start + 1, 1))
    return Span(
        whole.file,
        whole.line + line,
        column if line else whole.column + column,
        whole.line + end_line,
        end_column if end_line else whole.column + end_column,
    )


class _Places(NamedTuple):
    """Offsets, lines and columns behind each escape and newline of a quoted text.

    Columns of the first line count from the opening quote. The width of a continued line is 0.
    """

    offsets: list[int]
    lines: list[int]
    columns: list[int]
    widths: list[int]

    def of_start(self, offset: int) -> tuple[int, int]:
        return self._behind(bisect_right(self.offsets, offset) - 1, offset)

    def of_end(self, offset: int) -> tuple[int, int]:
        at = bisect_left(self.offsets, offset)
        is_behind_one = at < len(self.offsets) and self.offsets[at] == offset and self.widths[at]
        return self._behind(at if is_behind_one else at - 1, offset)

    def _behind(self, at: int, offset: int) -> tuple[int, int]:
        return self.lines[at], self.columns[at] + offset - self.offsets[at]


# Rules ask for many parts of the same value.
@lru_cache(maxsize=8)
def _places(text: str, plain: str) -> _Places | None:
    """Return the places of a quoted text, or None if the value does not equal this text."""
    inside = text[1:-1]
    if not TEXT.fullmatch(text) or read_text(inside)[0] != plain:
        return None
    places = _Places([0], [0], [1], [0])
    offset = done = line = 0
    line_start = -1
    for found in _ESCAPE_OR_NEWLINE.finditer(inside):
        width = len(read_text(found[0])[0])
        offset += found.start() - done + width
        done = found.end()
        if found[0].endswith("\n"):
            line, line_start = line + 1, done - 1
        for kept, place in zip(places, (offset, line, done - line_start, width), strict=True):
            kept.append(place)
    return places

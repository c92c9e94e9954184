"""Finds unquoted values, missing values and comments that begin with `#`.

Token by token each of them would look like several mistakes. They are searched only in a text with
syntax errors.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.diagnostics import Change
from attractor.language.parsing.tokens import Findings
from attractor.language.source.text import COMMENT, SMART_QUOTES, quote
from attractor.language.syntax_errors.attribute_lists import UnquotedValue, end_of_unquoted

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


class ValueFault(Enum):
    """The kind of mistake."""

    OTHER_QUOTES = auto()
    OPEN_QUOTE = auto()
    NO_QUOTES = auto()
    HTML = auto()
    EMPTY = auto()
    COMMENT = auto()


class ValueMistake(NamedTuple):
    """A value, a key without a value or a comment; `before` is the text before the value."""

    what: ValueFault
    start: int
    end: int
    before: str = ""


def find_value_mistakes(text: str) -> Iterator[ValueMistake]:
    """Yield the mistakes in order."""
    return _Walk(text).find()


class _Walk:
    """A scan of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_in_list = False
        self._has_open_html = False
        self._line_ends = -1

    def find(self) -> Iterator[ValueMistake]:
        at = 0
        while found := _MARK.search(self._text, at):
            at = found.end()
            if found["comment"]:
                yield ValueMistake(ValueFault.COMMENT, *found.span("comment"))
            elif found["bracket"]:
                self._is_in_list = found["bracket"] == "["
            elif found["key"] and "\n" in found["gap"]:
                if _STATEMENT.match(self._text, at):
                    before = found[0].rstrip()
                    yield ValueMistake(ValueFault.EMPTY, found.start(), found.start("gap"), before)
            elif found["key"]:
                start = at
                what, at = self._judge(start, found["key"])
                if what:
                    yield ValueMistake(what, start, at, " ".join(found[0].split(" ")))

    def _judge(self, at: int, key: str) -> tuple[ValueFault | None, int]:
        """Return the kind of mistake of a value, if any, and where to continue."""
        first = self._text[at : at + 1]
        if first in ("", '"'):
            return None, at
        if first == "<":
            return self._html(at)
        if first in _CLOSING:
            end = self._end_of_quoted(at, _CLOSING[first])
            return (ValueFault.OTHER_QUOTES, end) if end else self._open(at)
        end, is_loose = end_of_unquoted(UnquotedValue(self._text, at, key, self._is_in_list))
        return ValueFault.NO_QUOTES if is_loose else None, end

    def _end_of_quoted(self, at: int, closing: re.Pattern[str]) -> int:
        """Return the end of a text in other quotes, even lines below; 0 if it is unclosed."""
        found = closing.search(self._text, at + 1, self._end_of_line(at))
        if found is None:
            other = _OPENS_ANOTHER.search(self._text, at + 1)
            found = closing.search(self._text, at + 1, other.start() if other else len(self._text))
        return found.end() if found else 0

    def _open(self, at: int) -> tuple[ValueFault, int]:
        line = self._text[at : self._end_of_line(at)].rstrip(" \t\r];}")
        return ValueFault.OPEN_QUOTE, at + max(len(line), 1)

    def _end_of_line(self, at: int) -> int:
        # Cached: a long line may have many values.
        if at > self._line_ends:
            end = self._text.find("\n", at)
            self._line_ends = end if end >= 0 else len(self._text)
        return self._line_ends

    def _html(self, at: int) -> tuple[ValueFault | None, int]:
        """Find the end of an HTML label; a label in one line is reported elsewhere."""
        depth = 0
        for found in () if self._has_open_html else _ANGLE.finditer(self._text, at):
            depth += 1 if found[0] == "<" else -1
            if not depth:
                is_long = "\n" in self._text[at : found.end()]
                return ValueFault.HTML if is_long else None, found.end()
        self._has_open_html = True
        return None, at + 1


_ESCAPE_OR_QUOTE = re.compile(r'\\(?:.|\Z)|"', re.DOTALL)
_WRITTEN = {'"': '\\"', "\\'": "'", "\\": "\\\\"}
_POSITIVE = re.compile(r"\+(?P<number>[0-9]+|[0-9]*\.[0-9]+)")
_IN_A_LINE = re.compile(r"[^\r\n]")
_NOT_IN_A_WORD = re.compile(r"\W")
_HIDING = str.maketrans({'"': "_", "\\": "_"})
_LONGEST = 60


def report_value_mistake(findings: Findings, text: str, loose: ValueMistake) -> None:
    """Report a mistake with its fix."""
    what, start, end, before = loose
    value = text[start:end]
    match what:
        case ValueFault.COMMENT:
            edit = Change(start, start + len(value) - len(value.lstrip("#")), "//")
            findings.mistake("invalid comment with '#'", start, start + 1, fix="use //", edit=edit)
        case ValueFault.EMPTY:
            key = before.rstrip("= \t")
            message, fix = f"missing value of {quote(key)}", f'write {before} "..."'
            findings.mistake(message, start, end, fix=fix)
        case ValueFault.HTML:
            fix = f'write {before}"..." with plain text'
            findings.mistake("unsupported HTML label", start, end, fix=fix)
        case ValueFault.OPEN_QUOTE:
            findings.mistake(_wrong_quote(value), start, start + 1, fix=f'write {before}"..."')
        case ValueFault.OTHER_QUOTES:
            _report(findings, loose, _wrong_quote(value), _in_quotes(value[1:-1]))
        case ValueFault.NO_QUOTES:
            _report_unquoted(findings, loose, value)


def whole_instead(text: str, loose: ValueMistake) -> Change:
    """Replace a mistake by valid text of the same length."""
    what, start, end, _ = loose
    value = text[start:end]
    if what in (ValueFault.COMMENT, ValueFault.EMPTY):
        return Change(start, end, _IN_A_LINE.sub(" ", value))
    if what is ValueFault.NO_QUOTES or end - start < 2:
        return Change(start, end, "_" + _NOT_IN_A_WORD.sub("_", value[1:]))
    return Change(start, end, f'"{value[1:-1].translate(_HIDING)}"')


def _report_unquoted(findings: Findings, loose: ValueMistake, value: str) -> None:
    positive = _POSITIVE.fullmatch(value)
    if positive:
        _report(findings, loose, "unsupported '+' before a number", positive["number"])
    elif "//" in value:
        message = "a value with '//' needs quotes, otherwise it is a comment"
        _report(findings, loose, message, _in_quotes(value))
    else:
        message = f"the value {quote(value)} needs quotes"
        _report(findings, loose, message, _in_quotes(value))


def _report(findings: Findings, loose: ValueMistake, message: str, written: str) -> None:
    shown = written.split("\n")[0][:_LONGEST].rstrip("\r")
    shown = written if shown == written else f'{shown}…"'
    edit = Change(loose.start, loose.end, written)
    fix = f"write {loose.before}{shown}"
    findings.mistake(message, loose.start, loose.end, fix=fix, edit=edit)


def _wrong_quote(value: str) -> str:
    if value[0] in SMART_QUOTES:
        return "typographic quotes"
    return "a text needs double quotes"


def _in_quotes(inside: str) -> str:
    """Quote a text and keep its escapes."""
    return f'"{_ESCAPE_OR_QUOTE.sub(lambda found: _WRITTEN.get(found[0], found[0]), inside)}"'

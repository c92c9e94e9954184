"""Explains invalid attribute lists: unquoted or missing values, comments that begin with `#`."""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.diagnostics import Change
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, GRAPHVIZ_ATTRIBUTES
from attractor.language.parsing.tokens import Findings
from attractor.language.source.syntax_tree import quoted
from attractor.language.source.text import (
    BARE,
    COMMENT,
    DURATION,
    NUMBER,
    QUALIFIED,
    SMART_QUOTES,
    TEXT,
    WORD,
    quote,
    read_word,
)

_KEY_AND_REST = re.compile(r"(?P<key>[^\W\d][\w.-]*)?\s*(?P<rest>:=|.?)\s*", re.DOTALL)
_NUMBER_AND_BLANK = re.compile(r"=\s*(?P<number>-?[0-9]+)[ \t]+\Z")
_UNITS = frozenset({"ms", "s", "m", "h", "d"})
_LONGEST_NUMBER = 40
_ENDS_A_WORD = tuple("/+<>={}")


class _Explained(NamedTuple):
    """A message with its fix, the offset of the mistake and an edit."""

    message: str
    fix: str
    offset: int = 0
    edit: Change | None = None


def explain_unread_attributes(findings: Findings) -> None:
    """Report the parts of attribute lists that are not valid attributes."""
    text = findings.source.text
    for at, end in findings.unread_attributes:
        written = text[at:end].rstrip(",; \t\r\n")
        explained = _explain_unit(text[max(0, at - _LONGEST_NUMBER) : at], written) or (
            _explain(written, text[at], follows_value=not text[at - 1].isspace())
        )
        start, edit = at + explained.offset, explained.edit
        if edit:
            edit = Change(at + edit.start, at + edit.end, edit.text)
        stop = max(at + len(written), start + 1)
        findings.mistake(explained.message, start, stop, fix=explained.fix, edit=edit)


def _explain_unit(before: str, written: str) -> _Explained | None:
    """Explain a blank between a number and its unit."""
    number = _NUMBER_AND_BLANK.search(before)
    if number is None or written not in _UNITS:
        return None
    fix = f"write {number['number']}{written}"
    return _Explained(f"blank between the number and the unit {quote(written)}", fix)


def _explain(written: str, sign: str, *, follows_value: bool) -> _Explained:
    """Explain a part of a list that is not an attribute; `sign` is the part's first character."""
    if not written:
        fix = "remove it"
        return _Explained(f"unexpected {sign!r}", fix, 0, Change(0, 1, ""))
    parts = _KEY_AND_REST.match(written)
    key, rest = (parts["key"] or "", parts["rest"]) if parts else ("", "")
    if not parts or not key:
        if follows_value and sign in _ENDS_A_WORD:
            return _Explained(f"a value with {sign!r} needs quotes", 'write key="value"')
        return _Explained(f"invalid attribute {quote(written)}", 'write key="value"')
    if not QUALIFIED.fullmatch(key):
        return _Explained(f"invalid key {quote(key)}", "use letters, digits, _ and dots")
    if rest in (":", ":="):
        return _explain_colon(key, written, parts)
    if rest == "=":
        return _explain_value(key, written[parts.end() :], parts.start("rest"))
    return _explain_no_value(key, written)


def _explain_colon(key: str, written: str, parts: re.Match[str]) -> _Explained:
    start, end = parts.start("rest"), parts.end()
    value = _suggested(written[end:])
    edit = Change(start, len(written), f"={value}") if value else None
    message = f"expected '=', not {parts['rest']!r}"
    return _Explained(message, f"write {key}={value or '...'}", start, edit)


def _explain_value(key: str, value: str, at: int) -> _Explained:
    if not value:
        return _Explained(f"missing value of {quote(key)}", f'write {key}="..."', at)
    if value.startswith("<"):
        fix = f'write {key}="..." with plain text'
        return _Explained("unsupported HTML label", fix, at + 1)
    if value[0] in SMART_QUOTES:
        plain = "".join(one for one in value if one not in SMART_QUOTES)
        fix = f"write {key}={quoted(plain)}"
        return _Explained("typographic quotes", fix, at + 1)
    return _Explained(f"invalid value {quote(value)}", f'write {key}="..."', at + 1)


def _explain_no_value(key: str, written: str) -> _Explained:
    """Explain words that begin with a key."""
    behind = written[len(key) :]
    value = _suggested(behind.strip()) if behind[:1].isspace() else ""
    if value and (key in ATTRIBUTES or key in GRAPHVIZ_ATTRIBUTES):
        is_one = value == behind.strip()
        edit = Change(len(key), len(written), f"={value}") if is_one else None
        return _Explained(f"missing '=' after {quote(key)}", f"write {key}={value}", 0, edit)
    fix = f"write {key}=true or another value"
    return _Explained(f"missing value of {quote(key)}", fix)


def _suggested(value: str) -> str:
    """Return the probable value, with quotes around words; an empty text if none is probable."""
    is_word = WORD.fullmatch(value) and not read_word(value).fault
    if is_word or TEXT.fullmatch(value):
        return value
    return "" if not value or '"' in value else quoted(value)


_KEY = r"[^\W\d][\w.]*"
_STOP = re.compile(
    rf'[;\n"{{}}\[\]]|(?P<comma>,)|(?<=\s)(?://|/\*|\#)|(?<=\S)[^\S\n]++(?={_KEY}\s*=(?!=))'
)
_KEY_BEHIND = re.compile(rf"\s+(?P<key>{_KEY})")
# `{{x}}` and `[1, 2]` are part of a value.
_GROUPS = {
    "{": re.compile(r"\{[^{}\[\];\n\"]*(?:\{[^{}\[\];\n\"]*\}[^{}\[\];\n\"]*)*\}"),
    "[": re.compile(r"\[[^\[\]\n\"=]*\]"),
}
# Behind these a condition continues.
_JOINS = tuple("&|(!=<>")
_WITH_ASSIGNMENTS = frozenset(
    {
        *("condition", "manager.stop_condition"),
        *("tool_command", "script", "receipt", "tool_hooks.pre", "tool_hooks.post"),
    }
)
_PROSE = _WITH_ASSIGNMENTS | {
    *("label", "goal", "prompt", "inputs", "requires", "model_stylesheet"),
    *("tooltip", "comment", "xlabel", "headlabel", "taillabel"),
}


class UnquotedValue(NamedTuple):
    """The start of an unquoted value, and the key of the value."""

    text: str
    at: int
    key: str
    is_in_list: bool


def end_of_unquoted(place: UnquotedValue) -> tuple[int, bool]:
    """Return the end of an unquoted value, and whether the value needs quotes.

    Several words are one value if the value of the key is prose, or if the first word is not a
    valid value. The validity of a single word is checked elsewhere.
    """
    text, at = place.text, place.at
    end, is_cut_by_quote = _end(place)
    value = text[at:end].rstrip()
    words = value.split(maxsplit=1)
    if not words or is_cut_by_quote:
        return max(end, at), False
    if len(words) == 1 and WORD.fullmatch(value):
        return at + len(value), False
    takes_words = place.is_in_list and place.key in _PROSE
    is_value = any(pattern.fullmatch(words[0]) for pattern in (BARE, NUMBER, DURATION))
    if len(words) > 1 and is_value and not takes_words:
        return at + len(words[0]), False
    return at + len(value), True


def _end(place: UnquotedValue) -> tuple[int, bool]:
    """Return the end of an unquoted value, and whether the value ends at a quote."""
    text, at = place.text, place.at
    while found := _STOP.search(text, at):
        sign = found[0]
        group = _GROUPS[sign].match(text, found.start()) if sign in _GROUPS else None
        if group:
            at = group.end()
        elif _is_part(place, found):
            at = found.end()
        else:
            return found.start(), sign == '"'
    return len(text), False


def _is_part(place: UnquotedValue, found: re.Match[str]) -> bool:
    """Return whether a comma, or a blank before a key, is part of the value."""
    if found["comma"]:
        return not place.is_in_list
    if not found[0].isspace() or found[0] == "\n":
        return False
    if not place.is_in_list or place.text.endswith(_JOINS, place.at, found.start()):
        return True
    key = _KEY_BEHIND.match(place.text, found.start())
    is_known = key is None or key["key"] in ATTRIBUTES or key["key"] in GRAPHVIZ_ATTRIBUTES
    return not is_known and place.key in _WITH_ASSIGNMENTS


_NAME = r"[^\W\d]\w*"
_DOTTED = rf"(?:{_NAME}(?:\.{_NAME})*)"
_TEXT = TEXT.pattern
_MARK = re.compile(
    rf"""(?:sub|di)?graph\b[^\n{{}}\[\];"]{{0,99}}\{{
    |(?P<key>{_DOTTED}|{_TEXT})[^\S\n]*=(?![=>~])(?P<gap>\s*)
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
    rf"\s*(?:\Z|[,;]\s*(?:{_DOTTED}\s*=|\"|\]|\Z)|\]|\}}|{_DOTTED}\s*=|//|/\*|\#)|[^\S\n]*[;\n]"
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

    fault: ValueFault
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
                fault, at = self._judge(start, found["key"])
                if fault:
                    yield ValueMistake(fault, start, at, " ".join(found[0].split(" ")))

    def _judge(self, at: int, key: str) -> tuple[ValueFault | None, int]:
        """Return the kind of mistake of a value, if any, and where to continue."""
        first = self._text[at : at + 1]
        if first in ("", '"'):
            return None, at
        if first == "<":
            return self._html(at)
        if first in _CLOSING:
            end = self._end_of_quoted(at, _CLOSING[first])
            if end:
                return ValueFault.OTHER_QUOTES, end
            line = self._text[at : self._end_of_line(at)].rstrip(" \t\r];}")
            return ValueFault.OPEN_QUOTE, at + max(len(line), 1)
        end, is_loose = end_of_unquoted(UnquotedValue(self._text, at, key, self._is_in_list))
        return ValueFault.NO_QUOTES if is_loose else None, end

    def _end_of_quoted(self, at: int, closing: re.Pattern[str]) -> int:
        """Return the end of a text in other quotes, even lines below; 0 if the text is unclosed."""
        found = closing.search(self._text, at + 1, self._end_of_line(at))
        if found is None:
            other = _OPENS_ANOTHER.search(self._text, at + 1)
            found = closing.search(self._text, at + 1, other.start() if other else len(self._text))
        return found.end() if found else 0

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


def report_value_mistake(findings: Findings, text: str, found: ValueMistake) -> None:
    """Report a mistake with its fix."""
    fault, start, end, before = found
    value = text[start:end]
    match fault:
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
            _report_value(findings, found, _wrong_quote(value), _in_quotes(value[1:-1]))
        case ValueFault.NO_QUOTES:
            _report_unquoted(findings, found, value)


def whole_instead(text: str, found: ValueMistake) -> Change:
    """Replace a mistake by valid text of the same length."""
    fault, start, end, _ = found
    value = text[start:end]
    if fault in (ValueFault.COMMENT, ValueFault.EMPTY):
        return Change(start, end, _IN_A_LINE.sub(" ", value))
    if fault is ValueFault.NO_QUOTES or end - start < 2:
        return Change(start, end, "_" + _NOT_IN_A_WORD.sub("_", value[1:]))
    return Change(start, end, f'"{value[1:-1].translate(_HIDING)}"')


def _report_unquoted(findings: Findings, found: ValueMistake, value: str) -> None:
    positive = _POSITIVE.fullmatch(value)
    if positive:
        _report_value(findings, found, "unsupported '+' before a number", positive["number"])
    elif "//" in value:
        message = "a value with '//' needs quotes, otherwise it is a comment"
        _report_value(findings, found, message, _in_quotes(value))
    else:
        message = f"the value {quote(value)} needs quotes"
        _report_value(findings, found, message, _in_quotes(value))


def _report_value(findings: Findings, found: ValueMistake, message: str, written: str) -> None:
    shown = written.split("\n")[0][:_LONGEST].rstrip("\r")
    shown = written if shown == written else f'{shown}…"'
    edit = Change(found.start, found.end, written)
    fix = f"write {found.before}{shown}"
    findings.mistake(message, found.start, found.end, fix=fix, edit=edit)


def _wrong_quote(value: str) -> str:
    if value[0] in SMART_QUOTES:
        return "typographic quotes"
    return "a text needs double quotes"


def _in_quotes(inside: str) -> str:
    """Quote a text and keep its escapes."""
    return f'"{_ESCAPE_OR_QUOTE.sub(lambda found: _WRITTEN.get(found[0], found[0]), inside)}"'

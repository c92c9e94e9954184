"""Splits a text into the tokens of the grammar `dot.lark`."""

import re
from collections.abc import Iterator
from dataclasses import replace
from sys import intern
from typing import NamedTuple

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import PORTABILITY, SYNTAX, Change, Diagnostic, Edit, Severity
from attractor.language.source.syntax_tree import Attribute, Identifier, Value, ValueKind
from attractor.language.source.text import (
    ATTRIBUTE,
    KEYWORDS,
    TEXT,
    TOKEN,
    Literal,
    Source,
    is_keyword,
    is_plain,
    quote,
    quoted_in_lines,
    read_text,
    read_word,
    skip_blank,
)


class Findings:
    """The diagnostics of one text.

    `unread_attributes` are the ranges in attribute lists that are not valid attributes; the package
    `syntax_errors` explains these ranges.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.unread_attributes: list[tuple[int, int]] = []

    def mistake(
        self, message: str, start: int, end: int, *, fix: str = "", edit: Change | None = None
    ) -> None:
        """Report a syntax error."""
        self._add(Diagnostic(Severity.ERROR, message, fix=fix, rule=SYNTAX), start, end, edit)

    def not_portable(
        self, message: str, start: int, end: int, *, fix: str, edit: Change | None = None
    ) -> None:
        """Report syntax that only some programs accept (ruling L1)."""
        self._add(Diagnostic(Severity.INFO, message, fix=fix, rule=PORTABILITY), start, end, edit)

    def replacing(self, start: int, end: int, text: str) -> Change:
        """Return a change; blanks are added if the new text would join with its neighbors."""
        before, behind = self.source.text[start - 1 : start], self.source.text[end : end + 1]
        first, last = text[:1] or behind, text[-1:] or before
        margin = " " if _would_join(before, first) else ""
        return Change(
            start, end, margin + text + (" " if text and _would_join(last, behind) else "")
        )

    def _add(self, found: Diagnostic, start: int, end: int, edit: Change | None) -> None:
        span = self.source.span
        edits = (Edit(span(edit.start, edit.end), edit.text),) if edit else ()
        self.diagnostics.append(replace(found, span=span(start, end), edits=edits))


def _would_join(before: str, behind: str) -> bool:
    return bool(before and behind) and all(
        sign.isalnum() or sign in '_."' for sign in (before, behind)
    )


_TO_SEPARATOR = late_pattern(rf'(?:{TEXT.pattern}|[^",;])*[,;]?', re.DOTALL)
_PORTABLE_ESCAPES = 'valid escapes are \\" \\\\ \\n and \\t'


def read_list(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Parse `[key=value, ...]` between two offsets; report and skip the invalid parts."""
    text, last = findings.source.text, end - 1
    attributes: list[Attribute] = []
    before, at = None, skip_blank(text, start + 1, last)
    while at < last:
        found = ATTRIBUTE.match(text, at, last)
        if found is None:
            separator = _TO_SEPARATOR.match(text, at, last)
            end = max(separator.end() if separator else last, at + 1)
            findings.unread_attributes.append((at, end))
            before, at = None, skip_blank(text, end, last)
            continue
        if before and before["separator"] != ",":
            _report_separator(findings, before, at)
        attributes += _attribute(findings, found)
        before, at = found, found.end()
    if not attributes:
        _report_empty(findings, start, end)
    elif before and before["separator"]:
        message = f"trailing {before['separator']!r} in the list"
        edit = Change(*before.span("separator"), "")
        findings.not_portable(message, last, end, fix="remove it", edit=edit)
    return tuple(attributes)


def _attribute(findings: Findings, found: re.Match[str]) -> tuple[Attribute, ...]:
    key, start, end = found["key"], *found.span("key")
    if key is None:
        key, _ = read_text(found["quoted_key"][1:-1])
        start, end = found.span("quoted_key")
        if is_plain(key):
            edit = findings.replacing(start, end, key)
            fix = "remove the quotes"
            findings.not_portable("a key in quotes", start, end, fix=fix, edit=edit)
    elif not key.isascii():
        message = f"the key {quote(key)} has letters other than a to z"
        findings.not_portable(message, start, end, fix="use only letters, digits and _")
    value = _text(findings, found) if found["word"] is None else _word(findings, found)
    # Nodes share the strings of their keys to save memory.
    return (Attribute(intern(key), value, findings.source.span(start, end)),) if value else ()


def _word(findings: Findings, found: re.Match[str]) -> Value | None:
    word, (start, end) = found["word"], found.span("word")
    literal: Literal = read_word(word)
    if literal.fault:
        findings.mistake(literal.fault, start, end, fix=literal.fix)
        return None
    if word[-1] == ":" and findings.source.text.startswith("//", end):
        # The repair of the text reports it in detail.
        findings.mistake("a value with '//' needs quotes", start, end)
        return None
    return Value(literal.kind, literal.plain, word, findings.source.span(start, end))


def _text(findings: Findings, found: re.Match[str]) -> Value:
    start, end = found.span("text")
    plain, is_odd = read_text(found["text"][1:-1])
    if found["more"]:
        end = found.end("more")
        pieces = [read_text(piece[1:-1]) for piece in TEXT.findall(found["more"])]
        plain += "".join(piece for piece, _ in pieces)
        between = TEXT.sub("", findings.source.text[start:end]).strip("+ \t\r\n")
        # A comment between two pieces would get lost.
        edit = None if between else Change(start, end, quoted_in_lines(plain))
        fix = "write one text; it may contain line breaks"
        findings.not_portable("texts joined with +", start, end, fix=fix, edit=edit)
        is_odd = is_odd or any(odd for _, odd in pieces)
    if is_odd:
        message = f"unsupported escape, which only Graphviz accepts; {_PORTABLE_ESCAPES}"
        findings.not_portable(message, start, end, fix="use \\\\ for a backslash")
    text = findings.source.text[start:end]
    return Value(ValueKind.STRING, plain, text, findings.source.span(start, end))


def _report_separator(findings: Findings, before: re.Match[str], at: int) -> None:
    separator = before["separator"]
    found = f"{separator!r} between" if separator else "missing comma between"
    end_of_value = _end_of_value(before)
    start, end = before.span("separator") if separator else (end_of_value, end_of_value)
    edit = Change(start, end, ",")
    fix = "add a comma before it"
    findings.not_portable(f"{found} two attributes", at, at + 1, fix=fix, edit=edit)


def _end_of_value(found: re.Match[str]) -> int:
    return max(found.end("text"), found.end("more"), found.end("word"))


def _report_empty(findings: Findings, start: int, end: int) -> None:
    text, blank = findings.source.text, start
    while text[blank - 1] in " \t":
        blank -= 1
    is_blank = not text[start + 1 : end - 1].strip()
    edit = findings.replacing(blank, end, "") if is_blank else None
    findings.not_portable("empty attribute list", start, end, fix="remove it", edit=edit)


END = "$END"
_TYPES_OF_KEYWORDS = {word: word.upper() for word in KEYWORDS}
# After these tokens, the rest of the text cannot be recognized.
_LAST = frozenset({"UNCLOSED_TEXT", "UNCLOSED_COMMENT"})
# The largest distance between a word and the colon before it.
_NEAR = 100


class Token(NamedTuple):
    """A token: type, range and meaning.

    `id` is the word (also of a keyword); `attributes` are the attributes of a list, or a single
    attribute.
    """

    type: str
    start: int
    end: int
    id: Identifier | None = None
    attributes: tuple[Attribute, ...] = ()


def scan(findings: Findings) -> Iterator[Token]:
    """Yield the tokens of a text, the last with the type END."""
    text, at = findings.source.text, 0
    while True:
        found = TOKEN.match(text, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None:
            break
        start, at = found.span(kind)
        attribute = ATTRIBUTE.match(text, start) if kind in ("NAME", "TEXT") else None
        if attribute:
            at = _end_of_value(attribute)
            yield Token("ATTRIBUTE", start, at, None, _attribute(findings, attribute))
        else:
            yield _token(findings, kind, start, at)
        if kind in _LAST:
            break
    yield Token(END, len(text), len(text))


def _token(findings: Findings, kind: str, start: int, end: int) -> Token:
    match kind:
        case "ATTRIBUTES":
            return Token(kind, start, end, None, read_list(findings, start, end))
        case "NAME":
            return _name(findings, start, end)
        case "TEXT":
            id_, _ = read_text(findings.source.text[start + 1 : end - 1])
            if not is_port(findings.source.text, start):
                edit = findings.replacing(start, end, id_) if is_plain(id_) else None
                fix = _plain_id(id_)
                findings.not_portable("an id in quotes", start, end, fix=fix, edit=edit)
            return Token("ID", start, end, Identifier(id_, findings.source.span(start, end)))
        case _:
            return Token(kind, start, end)


def _name(findings: Findings, start: int, end: int) -> Token:
    # Edges and nodes share the strings of ids to save memory.
    name = intern(findings.source.text[start:end])
    if not name.isascii():
        message = f"the id {quote(name)} has letters other than a to z"
        findings.not_portable(message, start, end, fix="use another id, and this word as the label")
    identifier = Identifier(name, findings.source.span(start, end))
    return Token(_TYPES_OF_KEYWORDS.get(name, "ID"), start, end, identifier)


def is_port(text: str, start: int) -> bool:
    """Return whether a word follows a colon."""
    return text[max(0, start - _NEAR) : start].rstrip().endswith(":")


def _plain_id(id_: str) -> str:
    if is_plain(id_):
        return f"write {id_} without quotes"
    if is_keyword(id_):
        return f"{id_} is a keyword: use {id_}_ or another id"
    return "use letters, digits and _ in ids; use other words as the label"

"""Splits the text of an attribute list into attributes."""

import re
from sys import intern

from attractor.language import when_needed
from attractor.language.findings import Change, Findings
from attractor.language.literals import Literal, read_text, read_word
from attractor.language.patterns import ATTRIBUTE, BLANK, TEXT
from attractor.language.values import Attribute, Value, ValueKind
from attractor.language.wording import quote
from attractor.language.words import is_plain, quoted_in_lines

_PORTABLE_ESCAPES = 'the escapes are \\" \\\\ \\n and \\t'


def read_list(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read `[key=value, ...]` between two offsets; what is wrong in it is noted and left out."""
    text, last = findings.source.text, end - 1
    attributes: list[Attribute] = []
    before, at = None, _skip_blank(text, start + 1, last)
    while at < last:
        found = ATTRIBUTE.match(text, at, last)
        if found is None:
            before, at = None, when_needed.report_list_mistake(findings, at, last)
            continue
        if before and before["separator"] != ",":
            _report_separator(findings, before, at)
        attributes += _attribute(findings, found)
        before, at = found, found.end()
    if not attributes:
        _report_empty(findings, start, end)
    elif before and before["separator"]:
        message = f"nothing follows the last {before['separator']!r} of the list"
        edit = Change(*before.span("separator"), "")
        findings.not_portable(message, last, end, fix="take it away", edit=edit)
    return tuple(attributes)


def read_attribute(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read one `key = value`; nothing when it is wrong."""
    found = ATTRIBUTE.match(findings.source.text, start, end)
    assert found is not None
    return _attribute(findings, found)


def _skip_blank(text: str, at: int, last: int) -> int:
    blank = BLANK.match(text, at, last)
    return blank.end() if blank else at


def _attribute(findings: Findings, found: re.Match[str]) -> tuple[Attribute, ...]:
    key, start, end = found["key"], *found.span("key")
    if key is None:
        key, _ = read_text(found["quoted_key"][1:-1])
        start, end = found.span("quoted_key")
        if is_plain(key):
            edit = findings.replacing(start, end, key)
            fix = "take the quotes away"
            findings.not_portable("a key in quotes", start, end, fix=fix, edit=edit)
    elif not key.isascii():
        message = f"the key {quote(key)} has letters outside a to z"
        findings.not_portable(message, start, end, fix="use only letters, digits and _")
    value = _text(findings, found) if found["word"] is None else _word(findings, found)
    # Nearly every node has the same few keys: each is kept once.
    return (Attribute(intern(key), value, findings.source.span(start, end)),) if value else ()


def _word(findings: Findings, found: re.Match[str]) -> Value | None:
    word, (start, end) = found["word"], found.span("word")
    literal: Literal = read_word(word)
    if literal.fault:
        findings.mistake(literal.fault, start, end, fix=literal.fix)
        return None
    if word[-1] == ":" and findings.source.text.startswith("//", end):
        # What is said of it in full is found when the text is mended.
        findings.mistake("a value with '//' has to stand in quotes", start, end)
        return None
    return Value(literal.kind, literal.plain, word, findings.source.span(start, end))


def _text(findings: Findings, found: re.Match[str]) -> Value:
    start, end = found.span("text")
    plain, is_odd = read_text(found["text"][1:-1])
    if found["more"]:
        end = found.end("more")
        pieces = [read_text(piece[1:-1]) for piece in TEXT.findall(found["more"])]
        plain += "".join(piece for piece, _ in pieces)
        _report_joined(findings, start, end, plain)
        is_odd = is_odd or any(odd for _, odd in pieces)
    if is_odd:
        message = f"an escape that only Graphviz knows; {_PORTABLE_ESCAPES}"
        findings.not_portable(message, start, end, fix="write \\\\ where a backslash is meant")
    text = findings.source.text[start:end]
    return Value(ValueKind.STRING, plain, text, findings.source.span(start, end))


def _report_joined(findings: Findings, start: int, end: int, plain: str) -> None:
    between = TEXT.sub("", findings.source.text[start:end])
    # A comment between two pieces would be lost.
    edit = Change(start, end, quoted_in_lines(plain)) if not between.strip("+ \t\r\n") else None
    fix = "write one text, which may span lines"
    findings.not_portable("texts joined with +", start, end, fix=fix, edit=edit)


def _report_separator(findings: Findings, before: re.Match[str], at: int) -> None:
    separator = before["separator"]
    found = f"{separator!r} between" if separator else "no comma between"
    end_of_value = max(before.end("text"), before.end("more"), before.end("word"))
    start, end = before.span("separator") if separator else (end_of_value, end_of_value)
    edit = Change(start, end, ",")
    fix = "write a comma before it"
    findings.not_portable(f"{found} two attributes", at, at + 1, fix=fix, edit=edit)


def _report_empty(findings: Findings, start: int, end: int) -> None:
    text, blank = findings.source.text, start
    while text[blank - 1] in " \t":
        blank -= 1
    is_blank = not text[start + 1 : end - 1].strip()
    edit = findings.replacing(blank, end, "") if is_blank else None
    findings.not_portable("an empty attribute list", start, end, fix="leave it out", edit=edit)

"""Splits the text of an attribute list into attributes."""

import re

from attractor.language.findings import Change, Findings
from attractor.language.literals import Literal, read_text, read_word
from attractor.language.patterns import ATTRIBUTE, BLANK, QUALIFIED, SMART_QUOTES, TEXT
from attractor.language.values import Attribute, Value, ValueKind, quoted
from attractor.language.wording import quote
from attractor.language.words import is_plain, quoted_in_lines

_TO_SEPARATOR = re.compile(r'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^",;])*[,;]?', re.DOTALL)
_KEY_AND_REST = re.compile(r"(?P<key>[^\W\d][\w.-]*)?\s*(?P<rest>.?)", re.DOTALL)
_NUMBER_AND_BLANK = re.compile(r"=\s*(?P<number>-?[0-9]+)[ \t]+\Z")
_UNITS = frozenset({"ms", "s", "m", "h", "d"})
_LONGEST_NUMBER = 40
_ENDS_A_WORD = tuple("/+<>={}")
_PORTABLE_ESCAPES = 'the escapes are \\" \\\\ \\n and \\t'


def read_list(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read `[key=value, ...]` between two offsets; what is wrong in it is noted and left out."""
    text, last = findings.source.text, end - 1
    attributes: list[Attribute] = []
    before, at = None, _skip_blank(text, start + 1, last)
    while at < last:
        found = ATTRIBUTE.match(text, at, last)
        if found is None:
            before, at = None, _report_mistake(findings, at, last)
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
    return (Attribute(key, value, findings.source.span(start, end)),) if value else ()


def _word(findings: Findings, found: re.Match[str]) -> Value | None:
    word, (start, end) = found["word"], found.span("word")
    literal: Literal = read_word(word)
    if literal.fault:
        findings.mistake(literal.fault, start, end, fix=literal.fix)
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
    is_blank = not findings.source.text[start + 1 : end - 1].strip()
    edit = findings.replacing(start, end, "") if is_blank else None
    findings.not_portable("an empty attribute list", start, end, fix="leave it out", edit=edit)


def _report_mistake(findings: Findings, at: int, last: int) -> int:
    """Say what is wrong where no attribute begins; return where the next one may begin."""
    text = findings.source.text
    skipped = _TO_SEPARATOR.match(text, at, last)
    end = max(skipped.end() if skipped else last, at + 1)
    written = text[at:end].rstrip(",; \t\r\n")
    message, fix, offset = _explain_unit(text[max(0, at - _LONGEST_NUMBER) : at], written) or (
        _explain(written, follows_value=not text[at - 1].isspace())
    )
    findings.mistake(message, at + offset, max(at + len(written), at + offset + 1), fix=fix)
    return _skip_blank(text, end, last)


def _explain_unit(before: str, written: str) -> tuple[str, str, int] | None:
    """Say what is wrong when a blank stands between a number and its unit."""
    number = _NUMBER_AND_BLANK.search(before)
    if number is None or written not in _UNITS:
        return None
    fix = f"write {number['number']}{written}"
    return f"a duration has no blank before its unit {quote(written)}", fix, 0


def _explain(written: str, *, follows_value: bool) -> tuple[str, str, int]:
    """Return what is wrong with a text that is no attribute, what to do, and where in it."""
    parts = _KEY_AND_REST.match(written)
    key, rest = (parts["key"] or "", parts["rest"]) if parts else ("", "")
    at = parts.start("rest") if parts else 0
    value = written[at + 1 :].strip()
    if not key and follows_value and written[:1] in _ENDS_A_WORD:
        return f"a value with {written[0]!r} has to stand in quotes", 'write key="value"', 0
    if not key:
        return f"{quote(written)} is not an attribute", 'write key="value"', 0
    if not QUALIFIED.fullmatch(key):
        return f"{quote(key)} is not a key", "a key has letters, digits, _ and dots", 0
    if rest == ":":
        return "':' stands where '=' is needed", f"write {key}={_suggested(value)}", at
    if rest == "=":
        return _explain_value(key, value, at)
    return f"the attribute {quote(key)} has no value", f"write {key}=true, or another value", 0


def _explain_value(key: str, value: str, at: int) -> tuple[str, str, int]:
    if not value:
        return f"the attribute {quote(key)} has no value", f'write {key}="..."', at
    if value.startswith("<"):
        message = "HTML labels are not supported"
        return message, f'write {key}="..." with plain text', at + 1
    if value[0] in SMART_QUOTES:
        plain = "".join(one for one in value if one not in SMART_QUOTES)
        return "these are not the quotes of a keyboard", f"write {key}={quoted(plain)}", at + 1
    return f"{quote(value)} is not a value", f'write {key}="..."', at + 1


def _suggested(value: str) -> str:
    return value if not value or value.startswith('"') else quoted(value)

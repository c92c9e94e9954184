"""Splits the text of an attribute list into attributes."""

import re

from attractor.language.findings import Findings
from attractor.language.literals import Literal, read_text, read_word
from attractor.language.patterns import ATTRIBUTE, BLANK, QUALIFIED, SMART_QUOTES, TEXT
from attractor.language.values import Attribute, Value, ValueKind, quoted
from attractor.language.wording import quote

_TO_SEPARATOR = re.compile(r'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^",;])*[,;]?', re.DOTALL)
_KEY_AND_REST = re.compile(r"(?P<key>[^\W\d][\w.-]*)?\s*(?P<rest>.?)", re.DOTALL)
_ENDS_A_WORD = tuple("/+<>={}")
_PORTABLE_ESCAPES = 'the escapes are \\" \\\\ \\n and \\t'


def read_list(findings: Findings, start: int, end: int) -> tuple[Attribute, ...]:
    """Read `[key=value, ...]` between two offsets; what is wrong in it is noted and left out."""
    text, last = findings.source.text, end - 1
    attributes: list[Attribute] = []
    separator, at = ",", _skip_blank(text, start + 1, last)
    while at < last:
        found = ATTRIBUTE.match(text, at, last)
        if found is None:
            separator, at = ",", _report_mistake(findings, at, last)
            continue
        if separator != ",":
            _report_separator(findings, separator, at)
        attributes += _attribute(findings, found)
        separator, at = found["separator"], found.end()
    if not attributes:
        findings.not_portable("an empty attribute list", start, end, fix="leave it out")
    elif separator:
        message = f"nothing follows the last {separator!r} of the list"
        findings.not_portable(message, last, end, fix="take it away")
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
        key, start, end = found["quoted_key"][1:-1], *found.span("quoted_key")
        findings.not_portable("a key in quotes", start, end, fix="take the quotes away")
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
        message = "texts joined with +"
        findings.not_portable(message, start, end, fix="write one text, which may span lines")
        is_odd = is_odd or any(odd for _, odd in pieces)
    if is_odd:
        message = f"an escape that only Graphviz knows; {_PORTABLE_ESCAPES}"
        findings.not_portable(message, start, end, fix="write \\\\ where a backslash is meant")
    text = findings.source.text[start:end]
    return Value(ValueKind.STRING, plain, text, findings.source.span(start, end))


def _report_separator(findings: Findings, separator: str, at: int) -> None:
    found = f"{separator!r} between" if separator else "no comma between"
    findings.not_portable(f"{found} two attributes", at, at + 1, fix="write a comma before it")


def _report_mistake(findings: Findings, at: int, last: int) -> int:
    """Say what is wrong where no attribute begins; return where the next one may begin."""
    text = findings.source.text
    skipped = _TO_SEPARATOR.match(text, at, last)
    end = max(skipped.end() if skipped else last, at + 1)
    written = text[at:end].rstrip(",; \t\r\n")
    message, fix, offset = _explain(written, follows_value=not text[at - 1].isspace())
    findings.mistake(message, at + offset, max(at + len(written), at + offset + 1), fix=fix)
    return _skip_blank(text, end, last)


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

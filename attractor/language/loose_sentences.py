"""Says what is wrong with a loose end, writes it as it should be, and puts a whole one in place."""

import re

from attractor.language.findings import Change, Findings
from attractor.language.loose_ends import LooseEnd, Looseness
from attractor.language.patterns import SMART_QUOTES
from attractor.language.wording import quote

_ESCAPE_OR_QUOTE = re.compile(r'\\(?:.|\Z)|"', re.DOTALL)
_WRITTEN = {'"': '\\"', "\\'": "'", "\\": "\\\\"}
_POSITIVE = re.compile(r"\+(?P<number>[0-9]+|[0-9]*\.[0-9]+)")
_IN_A_LINE = re.compile(r"[^\r\n]")
_NOT_IN_A_WORD = re.compile(r"\W")
_HIDING = str.maketrans({'"': "_", "\\": "_"})
_LONGEST = 60


def report_loose_end(findings: Findings, text: str, loose: LooseEnd) -> None:
    """Note what is wrong, with what would mend it."""
    what, start, end, before = loose
    value = text[start:end]
    match what:
        case Looseness.COMMENT:
            edit = Change(start, start + len(value) - len(value.lstrip("#")), "//")
            findings.mistake(
                "'#' begins no comment here", start, start + 1, fix="write //", edit=edit
            )
        case Looseness.EMPTY:
            key = before.rstrip("= \t")
            message, fix = f"the attribute {quote(key)} has no value", f'write {before} "..."'
            findings.mistake(message, start, end, fix=fix)
        case Looseness.HTML:
            fix = f'write {before}"..." with plain text'
            findings.mistake("HTML labels are not supported", start, end, fix=fix)
        case Looseness.OPEN_QUOTE:
            findings.mistake(_wrong_quote(value), start, start + 1, fix=f'write {before}"..."')
        case Looseness.OTHER_QUOTES:
            _report(findings, loose, _wrong_quote(value), _in_quotes(value[1:-1]))
        case Looseness.NO_QUOTES:
            _report_unquoted(findings, loose, value)


def whole_instead(text: str, loose: LooseEnd) -> Change:
    """Put what can be read in the place of what is loose, as long as that."""
    what, start, end, _ = loose
    value = text[start:end]
    if what in (Looseness.COMMENT, Looseness.EMPTY):
        return Change(start, end, _IN_A_LINE.sub(" ", value))
    if what is Looseness.NO_QUOTES or end - start < 2:
        return Change(start, end, "_" + _NOT_IN_A_WORD.sub("_", value[1:]))
    return Change(start, end, f'"{value[1:-1].translate(_HIDING)}"')


def _report_unquoted(findings: Findings, loose: LooseEnd, value: str) -> None:
    positive = _POSITIVE.fullmatch(value)
    if positive:
        _report(findings, loose, "a number has no '+' before it", positive["number"])
    elif "//" in value:
        message = "a value with '//' has to stand in quotes, or it is a comment"
        _report(findings, loose, message, _in_quotes(value))
    else:
        message = f"the value {quote(value)} has to stand in quotes"
        _report(findings, loose, message, _in_quotes(value))


def _report(findings: Findings, loose: LooseEnd, message: str, written: str) -> None:
    shown = written.split("\n")[0][:_LONGEST].rstrip("\r")
    shown = written if shown == written else f'{shown}…"'
    edit = Change(loose.start, loose.end, written)
    fix = f"write {loose.before}{shown}"
    findings.mistake(message, loose.start, loose.end, fix=fix, edit=edit)


def _wrong_quote(value: str) -> str:
    if value[0] in SMART_QUOTES:
        return "these are not the quotes of a keyboard"
    return "a text stands in double quotes"


def _in_quotes(inside: str) -> str:
    """Write a text in double quotes; an escape stays one."""
    return f'"{_ESCAPE_OR_QUOTE.sub(lambda found: _WRITTEN.get(found[0], found[0]), inside)}"'

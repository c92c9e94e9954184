"""Writes diagnostics as text with carets, as JSON, and as GitHub annotations."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from unicodedata import combining, east_asian_width

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source, visible

_WIDEST = 100
_BEFORE = 60

Paint = Callable[[str], str]


def unpainted(text: str) -> str:
    """Return a text without colour."""
    return text


def place_of(span: Span) -> str:
    """Return `file:line:column`, as far as known."""
    file = span.file or "<text>"
    return f"{file}:{span.line}:{span.column}" if span.is_somewhere else span.file


def headline(diagnostic: Diagnostic) -> str:
    """Return position, severity, rule and message in one line."""
    place = place_of(diagnostic.span)
    said = f"{diagnostic.severity}[{diagnostic.rule}]: {diagnostic.message}"
    return visible(f"{place}: {said}" if place else said)


def as_text(diagnostic: Diagnostic, source: Source | None, *, paint: Paint = unpainted) -> str:
    """Return a diagnostic as text: headline, line, caret, fix."""
    lines = [paint(headline(diagnostic))]
    if source is not None and diagnostic.span.is_somewhere:
        lines += _excerpt(diagnostic.span, source, paint)
    if diagnostic.fix:
        lines.append(f"  fix: {visible(diagnostic.fix)}")
    return "\n".join(lines)


def as_record(diagnostics: Iterable[Diagnostic], *, files: int) -> dict[str, object]:
    """Convert diagnostics to JSON, with a summary."""
    told = list(diagnostics)
    return {"diagnostics": [record_of(one) for one in told], "summary": _counts(told, files)}


def record_of(diagnostic: Diagnostic) -> dict[str, object]:
    """Convert a diagnostic to JSON."""
    span = diagnostic.span
    return {
        "rule": diagnostic.rule,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "node": diagnostic.node or None,
        "edge": list(diagnostic.edge) if diagnostic.edge else None,
        "fix": diagnostic.fix or None,
        "fixable": bool(diagnostic.edits),
    }


def summary(diagnostics: Sequence[Diagnostic], *, files: int) -> str:
    """Return the summary line: the number of problems and files."""
    counts = _counts(diagnostics, files)
    found = [
        counted(counts[f"{severity}s"], severity) for severity in Severity if counts[f"{severity}s"]
    ]
    if not found:
        return f"{counted(files, 'file')}, no problems found"
    fixable = counts["fixable"]
    hint = f" ({fixable} fixable with --fix)" if fixable else ""
    # Without a readable file there is no file to count.
    where = f" in {counted(files, 'file')}" if files else ""
    return f"{', '.join(found)}{where}{hint}"


def counted(number: int, noun: str) -> str:
    """Return `1 file` or `2 files`."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _counts(diagnostics: Sequence[Diagnostic], files: int) -> Mapping[str, int]:
    counts = {f"{one}s": sum(d.severity is one for d in diagnostics) for one in Severity}
    return {"files": files, **counts, "fixable": sum(bool(one.edits) for one in diagnostics)}


def _excerpt(span: Span, source: Source, paint: Paint) -> list[str]:
    """Return the line with a caret below it, long lines cut around the caret."""
    line = source.line(span.line)
    first = max(0, span.column - 1 - _BEFORE) if len(line) > _WIDEST else 0
    shown = line[first : first + _WIDEST]
    before = shown[: span.column - 1 - first]
    end = span.end_column if span.end_line == span.line else len(line) + 1
    marked = shown[len(before) : end - 1 - first]
    margin = f"{span.line:>5} | "
    blank = "".join("\t" if one == "\t" else " " * _columns(one) for one in before)
    carets = "^" * max(1, sum(map(_columns, marked)))
    return [margin + visible(shown), " " * 5 + " | " + blank + paint(carets)]


def _columns(letter: str) -> int:
    """Return the width of a letter in terminal columns."""
    if letter.isascii():
        return 1
    return 0 if combining(letter) else 1 + (east_asian_width(letter) in "WF")


_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation(diagnostic: Diagnostic) -> str:
    """Return the GitHub workflow command of a diagnostic."""
    properties = {**_place(diagnostic.span), "title": diagnostic.rule}
    written = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
    said = [visible(one) for one in (diagnostic.message, diagnostic.fix) if one]
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_escaped(chr(10).join(said))}"


def _place(span: Span) -> dict[str, str]:
    # Invalid bytes of a file name cannot be printed.
    file = os.fsencode(span.file).decode(errors="replace")
    place = {"file": file} if file else {}
    if not span.is_somewhere:
        return place
    place |= {"line": str(span.line), "col": str(span.column), "endLine": str(span.end_line)}
    # GitHub accepts an end column only for spans within a line.
    return place | ({"endColumn": str(span.end_column)} if span.end_line == span.line else {})


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

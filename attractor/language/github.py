"""Writes diagnostics as the annotations that GitHub shows beside the lines of a change."""

import os

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.spans import Span
from attractor.language.wording import visible

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation(diagnostic: Diagnostic) -> str:
    """Return the line that makes GitHub show a diagnostic at its place."""
    properties = {**_place(diagnostic.span), "title": diagnostic.rule}
    written = ",".join(f"{key}={_escaped_property(value)}" for key, value in properties.items())
    said = [visible(one) for one in (diagnostic.message, diagnostic.fix) if one]
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_escaped(chr(10).join(said))}"


def _place(span: Span) -> dict[str, str]:
    # The bytes of a name that is no text cannot be printed.
    file = os.fsencode(span.file).decode(errors="replace")
    place = {"file": file} if file else {}
    if not span.is_somewhere:
        return place
    place |= {"line": str(span.line), "col": str(span.column), "endLine": str(span.end_line)}
    # GitHub takes a last column only where nothing goes beyond the line.
    return place | ({"endColumn": str(span.end_column)} if span.end_line == span.line else {})


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

"""Finds where a part of an attribute's text stands in the file."""

from attractor.language.spans import Span
from attractor.language.values import Value


def span_within(value: Value, start: int, end: int) -> Span:
    """Return the place between two offsets in a value; all of it where escapes blur the count."""
    if value.text != f'"{value.plain}"' or not value.span.is_somewhere:
        return value.span
    inside = value.text[1:-1]
    line, column = _place(value.span, inside, start)
    end_line, end_column = _place(value.span, inside, max(end, start + 1))
    return Span(value.span.file, line, column, end_line, end_column)


def _place(span: Span, inside: str, offset: int) -> tuple[int, int]:
    before = inside[:offset]
    newlines = before.count("\n")
    if not newlines:
        return span.line, span.column + 1 + offset
    return span.line + newlines, offset - before.rindex("\n")

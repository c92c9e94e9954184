"""Writes diagnostics for people, with the line and a caret, and for programs."""

from collections.abc import Iterable, Mapping, Sequence

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.sources import Source
from attractor.language.spans import Span
from attractor.language.wording import visible

_WIDEST = 100
_BEFORE = 60


def headline(diagnostic: Diagnostic) -> str:
    """Say in one line where, how grave, which rule and what."""
    span = diagnostic.span
    place = f"{span.file or '<text>'}:{span.line}:{span.column}: " if span.is_somewhere else ""
    if not place and span.file:
        place = f"{span.file}: "
    return visible(f"{place}{diagnostic.severity}[{diagnostic.rule}]: {diagnostic.message}")


def as_text(diagnostic: Diagnostic, source: Source | None) -> str:
    """Write a diagnostic for a person: headline, line, caret, fix."""
    lines = [headline(diagnostic)]
    if source is not None and diagnostic.span.is_somewhere:
        lines += _excerpt(diagnostic.span, source)
    if diagnostic.fix:
        lines.append(f"  fix: {visible(diagnostic.fix)}")
    return "\n".join(lines)


def as_record(diagnostics: Iterable[Diagnostic], *, files: int) -> dict[str, object]:
    """Return diagnostics for a program, with a summary."""
    told = list(diagnostics)
    return {"diagnostics": [_record(one) for one in told], "summary": _counts(told, files)}


def summary(diagnostics: Sequence[Diagnostic], *, files: int) -> str:
    """Return the last line for a person: how much was found in how many files."""
    counts = _counts(diagnostics, files)
    found = [
        f"{counts[f'{severity}s']} {severity}{'s' if counts[f'{severity}s'] != 1 else ''}"
        for severity in Severity
        if counts[f"{severity}s"]
    ]
    where = f"{files} file{'s' if files != 1 else ''}"
    return f"{', '.join(found)} in {where}" if found else f"{where}, nothing to mend"


def _counts(diagnostics: Sequence[Diagnostic], files: int) -> Mapping[str, int]:
    counts = {f"{one}s": sum(d.severity is one for d in diagnostics) for one in Severity}
    return {"files": files, **counts}


def _record(diagnostic: Diagnostic) -> dict[str, object]:
    span = diagnostic.span
    return {
        "rule": diagnostic.rule,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "node": diagnostic.node or None,
        "edge": list(diagnostic.edge) if diagnostic.edge else None,
        "fix": diagnostic.fix or None,
    }


def _excerpt(span: Span, source: Source) -> list[str]:
    """Return the line with a caret under it; of a very long line only what is near."""
    line = source.line(span.line)
    first = max(0, span.column - 1 - _BEFORE) if len(line) > _WIDEST else 0
    shown = line[first : first + _WIDEST]
    before = shown[: span.column - 1 - first]
    end = span.end_column if span.end_line == span.line else len(line) + 1
    width = max(1, min(end - span.column, len(shown) - len(before)))
    margin = f"{span.line:>5} | "
    blank = "".join("\t" if one == "\t" else " " for one in before)
    return [margin + visible(shown), " " * 5 + " | " + blank + "^" * width]

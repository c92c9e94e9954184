"""Writes the comment that silences a rule on a line, where a comment may stand."""

from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.patterns import TEXT_OR_COMMENT
from attractor.language.sources import Source
from attractor.language.spans import Span


def silence(source: Source, diagnostic: Diagnostic) -> Edit | None:
    """Return the comment: behind the line, else above it; none where a text goes over both ends."""
    line = diagnostic.span.line
    if line < 1:
        return None
    comment = f"// attractor: ignore[{diagnostic.rule}]"
    end = len(source.line(line)) + 1
    if not _is_inside(source, source.offset(line, end)):
        return Edit(Span(source.file, line, end, line, end), f"  {comment}")
    if not _is_inside(source, source.offset(line, 1)):
        written = source.line(line)
        margin = written[: len(written) - len(written.lstrip())]
        return Edit(Span(source.file, line, 1, line, 1), f"{margin}{comment}\n")
    return None


def _is_inside(source: Source, offset: int) -> bool:
    """Tell whether an offset lies within a text or a comment, where a comment would be none."""
    for found in TEXT_OR_COMMENT.finditer(source.text):
        if found.start() >= offset:
            return False
        # Behind a comment of one line, and at its end, nothing begins a comment anew.
        if offset < found.end() or (offset == found.end() and found[0].startswith("//")):
            return True
    return False

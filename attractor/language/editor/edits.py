"""Edits of an editor: renames a node, or silences a rule on a line."""

from collections.abc import Sequence

from attractor.base.errors import UsageError
from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.editor.occurrences import named_at, occurrences
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import TEXT_OR_COMMENT, Source, written_word


def silence_rule(source: Source, diagnostic: Diagnostic) -> Edit | None:
    """Return a comment after the line, else before it; None inside of a multi-line string."""
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
    """Return whether an offset is inside of a string or comment."""
    for found in TEXT_OR_COMMENT.finditer(source.text):
        if found.start() >= offset:
            return False
        # At the end of a line comment no new comment can begin.
        if offset < found.end() or (offset == found.end() and found[0].startswith("//")):
            return True
    return False


def rename_node(source: Source, line: int, column: int, new: str) -> Sequence[Edit]:
    """Return the edits that rename the node at a position."""
    found = occurrences(source)
    named = named_at(found, line, column)
    if named is None:
        raise UsageError("no node at this position", hint="put the cursor on the id of a node")
    if not new.strip():
        raise UsageError("a node needs an id", hint="write letters, digits and _")
    if new != named.id and any(one.id == new for one in found):
        raise UsageError(f"node {new!r} already exists", hint="choose another id")
    return [Edit(one.span, written_word(new)) for one in found if one.id == named.id]

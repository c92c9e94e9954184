"""Gives a node another id, wherever the text names it."""

from collections.abc import Sequence

from attractor.base.errors import UsageError
from attractor.language.diagnostics import Edit
from attractor.language.editing.names import named_at, occurrences
from attractor.language.sources import Source
from attractor.language.words import written_word


def rename(source: Source, line: int, column: int, new: str) -> Sequence[Edit]:
    """Return the changes that call the node at a place otherwise."""
    found = occurrences(source)
    named = named_at(found, line, column)
    if named is None:
        raise UsageError("there is no node here", hint="put the cursor on the id of a node")
    if not new.strip():
        raise UsageError("a node needs an id", hint="write letters, digits and _")
    if new != named.id and any(one.id == new for one in found):
        raise UsageError(f"there is a node {new!r} already", hint="choose another id")
    return [Edit(one.span, written_word(new)) for one in found if one.id == named.id]

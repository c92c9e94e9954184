"""Applies edits to a text, and knows where in the text before it everything stood."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.sources import Source
from attractor.language.spans import Span


class Change(NamedTuple):
    """What stands between two offsets instead."""

    start: int
    end: int
    text: str


class Applied(NamedTuple):
    """A text after some changes, which stand in their order, and what they dealt with."""

    text: str
    diagnostics: Sequence[Diagnostic]
    changes: Sequence[Change]


class Origins:
    """Where in a text things stood before it was changed, once or again and again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rounds: list[tuple[Sequence[Change], Sequence[int]]] = []

    def note(self, changes: Sequence[Change]) -> None:
        """Remember one round of changes, which stand in their order."""
        grown, starts = 0, list[int]()
        for change in changes:
            starts.append(change.start + grown)
            grown += len(change.text) - (change.end - change.start)
        self._rounds.append((changes, starts))

    def span(self, now: Source, span: Span) -> Span:
        """Return where something stood at first that stands in the text as it is now."""
        if not self._rounds or not span.is_somewhere or span.file != now.file:
            return span
        start = now.offset(span.line, span.column)
        end = now.offset(span.end_line, span.end_column)
        for changes, starts in reversed(self._rounds):
            start = _before(changes, starts, start, is_end=False)
            end = _before(changes, starts, end, is_end=True)
        return self._source.span(start, max(start, end))


def apply_edits(source: Source, diagnostics: Iterable[Diagnostic]) -> Applied:
    """Apply what does not overlap; of what does the first one is dealt with."""
    taken: list[Change] = []
    applied: list[Diagnostic] = []
    for diagnostic in diagnostics:
        changes = [_change(source, edit) for edit in diagnostic.edits]
        if all(_is_free(change, taken) for change in changes):
            for change in changes:
                insort(taken, change)
            applied.append(diagnostic)
    return Applied(_changed(source.text, taken), applied, taken)


def _before(changes: Sequence[Change], starts: Sequence[int], at: int, *, is_end: bool) -> int:
    """Return the offset that another one had before a round of changes."""
    # The end of something belongs to what stands before it.
    place = (bisect_left if is_end else bisect_right)(starts, at) - 1
    if place < 0:
        return at
    change = changes[place]
    beyond = at - starts[place] - len(change.text)
    if beyond < 0 or (beyond == 0 and is_end):
        return change.end if is_end else change.start
    return change.end + beyond


def _change(source: Source, edit: Edit) -> Change:
    span = edit.span
    start = source.offset(span.line, span.column)
    return Change(start, source.offset(span.end_line, span.end_column), edit.text)


def _is_free(change: Change, taken: Sequence[Change]) -> bool:
    """Tell whether a change touches none of those before it, which stand in their order."""
    at = bisect_left(taken, change)
    return not any(_overlap(change, other) for other in taken[max(0, at - 1) : at + 1])


def _overlap(one: Change, other: Change) -> bool:
    # Two changes in one place have no order of their own: one of them waits for the next round.
    return one.start <= other.end and other.start <= one.end


def _changed(text: str, changes: Iterable[Change]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, instead in changes:
        pieces += [text[at:start], instead]
        at = end
    return "".join([*pieces, text[at:]])

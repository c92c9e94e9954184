"""Applies the edits of diagnostics to a text and checks the result again."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from attractor.language.diagnostics import (
    Change,
    Diagnostic,
    Edit,
)
from attractor.language.preparation.prepare import Prepared
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source


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


# A fix can bring another to light; what has not settled by then never will.
_ROUNDS = 20
# To try fixes alone is to check the text again for each.
_ALONE = 100
# Each of them may be safe, and what one attribute said be lost by two.
_LOSING = "duplicate_attribute"


class Fixed(NamedTuple):
    """A text with its fixes, and what was mended, in the places where it stood at first."""

    text: str
    mended: tuple[Diagnostic, ...]


class Mended(NamedTuple):
    """A text with its fixes and what is left to say of it; `harm` is what all of them would do.

    What was mended is told in the places where it stood at first.
    """

    text: str
    mended: tuple[Diagnostic, ...]
    left: Prepared
    harm: tuple[Diagnostic, ...] = ()


def mend(text: str, *, check: Callable[[str], Prepared], file: str = "") -> Mended:
    """Mend a text; what would bring errors, or lose what is said, stays as it was."""
    before = check(text)
    fixed = fix(text, check=lambda one: check(one).diagnostics, file=file)
    if fixed.text == text:
        return Mended(text, (), before)
    after = check(fixed.text)
    harm = _harm(before, after)
    if not harm:
        return Mended(fixed.text, fixed.mended, after)
    return _mend_one_by_one(text, before, harm, check=check, file=file)


def _mend_one_by_one(
    text: str,
    before: Prepared,
    harm: tuple[Diagnostic, ...],
    *,
    check: Callable[[str], Prepared],
    file: str,
) -> Mended:
    """Find out which fixes do harm, by trying them alone; a person has to look at those."""
    now, mending, refused = before, _Mending(text, file), set[tuple[str, str]]()
    for _ in range(_ALONE):
        next_ = (one for one in now.diagnostics if _is_fixable(one, file))
        one = next((one for one in next_ if (one.rule, one.message) not in refused), None)
        if one is None:
            break
        after = check(apply_edits(Source(mending.text, file), [one]).text)
        if _harm(now, after):
            refused.add((one.rule, one.message))
        else:
            now = after
            mending.apply([one])
    return Mended(mending.text, tuple(mending.mended), now, harm)


def fix(text: str, *, check: Callable[[str], Iterable[Diagnostic]], file: str = "") -> Fixed:
    """Mend a text until nothing is left that can be mended safely."""
    mending = _Mending(text, file)
    for _ in range(_ROUNDS):
        fixable = [one for one in check(mending.text) if _is_fixable(one, file)]
        if not fixable:
            break
        mending.apply(fixable)
    return Fixed(mending.text, tuple(mending.mended))


class _Mending:
    """A text as it is by now, and what was mended in it."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.mended: list[Diagnostic] = []
        self._file = file
        self._origins = Origins(Source(text, file))

    def apply(self, fixable: Iterable[Diagnostic]) -> None:
        now = Source(self.text, self._file)
        applied = apply_edits(now, fixable)
        for one in applied.diagnostics:
            self.mended.append(replace(one, span=self._origins.span(now, one.span)))
        self._origins.note(applied.changes)
        self.text = applied.text


def _is_fixable(diagnostic: Diagnostic, file: str) -> bool:
    return bool(diagnostic.edits) and all(edit.span.file == file for edit in diagnostic.edits)


def _harm(before: Prepared, after: Prepared) -> tuple[Diagnostic, ...]:
    """Return the errors and losses that were not there, told apart by what they say.

    Lines may have moved. While the grammar is broken most of what is wrong stays unseen; mending it
    brings that to light.
    """
    had, have = ([one for one in side.diagnostics if _is_bad(one)] for side in (before, after))
    if before.graph is None and (after.graph is not None or len(have) <= len(had)):
        return ()
    known = Counter(map(_told, had))
    found: list[Diagnostic] = []
    for one in have:
        known[_told(one)] -= 1
        if known[_told(one)] < 0:
            found.append(one)
    return tuple(found)


def _told(one: Diagnostic) -> tuple[str, str, str, tuple[str, str] | None]:
    # What is lost is told with its line.
    return one.rule, "" if one.rule == _LOSING else one.message, one.node, one.edge


def _is_bad(diagnostic: Diagnostic) -> bool:
    return diagnostic.is_error or diagnostic.rule == _LOSING

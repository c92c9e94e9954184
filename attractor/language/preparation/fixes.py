"""Applies the edits of diagnostics to a text, and checks the resulting text again."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from attractor.language.diagnostics import Change, Diagnostic, apply_changes
from attractor.language.preparation.prepare import Prepared
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source


class Applied(NamedTuple):
    """A text after some changes, the sorted changes, and the fixed diagnostics."""

    text: str
    diagnostics: Sequence[Diagnostic]
    changes: Sequence[Change]


class Origins:
    """Maps places in a changed text to places in the original text."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rounds: list[tuple[Sequence[Change], Sequence[int]]] = []

    def note(self, changes: Sequence[Change]) -> None:
        """Record a round of changes, which are sorted."""
        grown, starts = 0, list[int]()
        for change in changes:
            starts.append(change.start + grown)
            grown += len(change.text) - (change.end - change.start)
        self._rounds.append((changes, starts))

    def span(self, now: Source, span: Span) -> Span:
        """Return the original span of a span in the current text."""
        if not self._rounds or not span.is_somewhere or span.file != now.file:
            return span
        start = now.offset(span.line, span.column)
        end = now.offset(span.end_line, span.end_column)
        for changes, starts in reversed(self._rounds):
            start = _before(changes, starts, start, is_end=False)
            end = _before(changes, starts, end, is_end=True)
        return self._source.span(start, max(start, end))


def apply_edits(source: Source, diagnostics: Iterable[Diagnostic]) -> Applied:
    """Apply the edits that do not overlap with earlier edits."""
    taken: list[Change] = []
    applied: list[Diagnostic] = []
    for diagnostic in diagnostics:
        changes = [
            Change(
                source.offset(edit.span.line, edit.span.column),
                source.offset(edit.span.end_line, edit.span.end_column),
                edit.text,
            )
            for edit in diagnostic.edits
        ]
        if all(_is_free(change, taken) for change in changes):
            for change in changes:
                insort(taken, change)
            applied.append(diagnostic)
    return Applied(apply_changes(source.text, taken), applied, taken)


def _before(changes: Sequence[Change], starts: Sequence[int], at: int, *, is_end: bool) -> int:
    """Return the offset before a round of changes."""
    # The end of a span belongs to the text before it.
    place = (bisect_left if is_end else bisect_right)(starts, at) - 1
    if place < 0:
        return at
    change = changes[place]
    beyond = at - starts[place] - len(change.text)
    if beyond < 0 or (beyond == 0 and is_end):
        return change.end if is_end else change.start
    return change.end + beyond


def _is_free(change: Change, taken: Sequence[Change]) -> bool:
    """Return whether a change overlaps with none of the sorted changes."""
    at = bisect_left(taken, change)
    # Two changes at the same position have no order, so the second is made in the next round.
    return not any(
        change.start <= other.end and other.start <= change.end
        for other in taken[max(0, at - 1) : at + 1]
    )


# A fix can reveal another problem, but not endlessly.
_ROUNDS = 20
# Trying a fix alone means checking the text again.
_ALONE = 100
# Two fixes that are safe alone may together lose the value of an attribute.
_LOSING = "duplicate_attribute"


class Fixed(NamedTuple):
    """A fixed text and the fixed diagnostics, at their original places."""

    text: str
    applied: tuple[Diagnostic, ...]


class SafelyFixed(NamedTuple):
    """A fixed text and the remaining diagnostics.

    `harm` contains the errors that all fixes together would cause. Fixed diagnostics have their
    original positions.
    """

    text: str
    applied: tuple[Diagnostic, ...]
    left: Prepared
    harm: tuple[Diagnostic, ...] = ()


def fix_safely(text: str, *, check: Callable[[str], Prepared], file: str = "") -> SafelyFixed:
    """Fix a text, except for fixes that would cause errors or lose values."""
    before = check(text)
    fixed = fix(text, check=lambda one: check(one).diagnostics, file=file)
    if fixed.text == text:
        return SafelyFixed(text, (), before)
    after = check(fixed.text)
    harm = _harm(before, after)
    if not harm:
        return SafelyFixed(fixed.text, fixed.applied, after)
    return _fix_one_by_one(text, before, harm, check=check, file=file)


def _fix_one_by_one(
    text: str,
    before: Prepared,
    harm: tuple[Diagnostic, ...],
    *,
    check: Callable[[str], Prepared],
    file: str,
) -> SafelyFixed:
    """Find harmful fixes by applying the fixes one by one."""
    now, fixing, refused = before, _Fixing(text, file), set[tuple[str, str]]()
    for _ in range(_ALONE):
        fixable = (found for found in now.diagnostics if _is_fixable(found, file))
        left = (found for found in fixable if (found.rule, found.message) not in refused)
        next_ = next(left, None)
        if next_ is None:
            break
        after = check(apply_edits(Source(fixing.text, file), [next_]).text)
        if _harm(now, after):
            refused.add((next_.rule, next_.message))
        else:
            now = after
            fixing.apply([next_])
    return SafelyFixed(fixing.text, tuple(fixing.applied), now, harm)


def fix(text: str, *, check: Callable[[str], Iterable[Diagnostic]], file: str = "") -> Fixed:
    """Fix a text until there are no more safe fixes."""
    fixing = _Fixing(text, file)
    for _ in range(_ROUNDS):
        fixable = [one for one in check(fixing.text) if _is_fixable(one, file)]
        if not fixable:
            break
        fixing.apply(fixable)
    return Fixed(fixing.text, tuple(fixing.applied))


class _Fixing:
    """A text that is being fixed, and the diagnostics fixed so far."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.applied: list[Diagnostic] = []
        self._file = file
        self._origins = Origins(Source(text, file))

    def apply(self, fixable: Iterable[Diagnostic]) -> None:
        now = Source(self.text, self._file)
        applied = apply_edits(now, fixable)
        for fixed in applied.diagnostics:
            self.applied.append(replace(fixed, span=self._origins.span(now, fixed.span)))
        self._origins.note(applied.changes)
        self.text = applied.text


def _is_fixable(diagnostic: Diagnostic, file: str) -> bool:
    return bool(diagnostic.edits) and all(edit.span.file == file for edit in diagnostic.edits)


def _harm(before: Prepared, after: Prepared) -> tuple[Diagnostic, ...]:
    """Return new errors and lost values, compared by their messages.

    Lines may have moved. Fixing a syntax error reveals problems that were not checked before.
    """
    had, have = (
        [found for found in side.diagnostics if found.is_error or found.rule == _LOSING]
        for side in (before, after)
    )
    if before.graph is None and (after.graph is not None or len(have) <= len(had)):
        return ()
    known = Counter(map(_key_of, had))
    harm: list[Diagnostic] = []
    for found in have:
        known[_key_of(found)] -= 1
        if known[_key_of(found)] < 0:
            harm.append(found)
    return tuple(harm)


def _key_of(found: Diagnostic) -> tuple[str, str, str, tuple[str, str] | None]:
    # The message about a lost value contains its line.
    return found.rule, "" if found.rule == _LOSING else found.message, found.node, found.edge

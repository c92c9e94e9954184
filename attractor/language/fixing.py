"""Applies the edits that diagnostics bring along."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.preparation import Prepared
from attractor.language.sources import Source

# A fix can bring another to light; what has not settled by then never will.
_ROUNDS = 20
# To try fixes alone is to check the text again for each.
_ALONE = 100

_Change = tuple[int, int, str]


class Fixed(NamedTuple):
    """A text with its fixes, and what was mended in it."""

    text: str
    mended: tuple[Diagnostic, ...]


class Mended(NamedTuple):
    """A text with its fixes and what is left to say of it; `harm` is what all of them would do."""

    text: str
    mended: tuple[Diagnostic, ...]
    left: Prepared
    harm: tuple[Diagnostic, ...] = ()


def mend(text: str, *, check: Callable[[str], Prepared], file: str = "") -> Mended:
    """Mend a text; what would bring errors that it did not have stays as it was."""
    before = check(text)
    fixed = fix(text, check=lambda one: check(one).diagnostics, file=file)
    if fixed.text == text:
        return Mended(text, (), before)
    after = check(fixed.text)
    harm = _new_errors(before, after)
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
    now, mended, refused = before, list[Diagnostic](), set[tuple[str, str]]()
    for _ in range(_ALONE):
        next_ = (one for one in now.diagnostics if _is_fixable(one, file))
        one = next((one for one in next_ if (one.rule, one.message) not in refused), None)
        if one is None:
            break
        tried, _ = apply_edits(Source(text, file), [one])
        after = check(tried)
        if _new_errors(now, after):
            refused.add((one.rule, one.message))
        else:
            text, now = tried, after
            mended.append(one)
    return Mended(text, tuple(mended), now, harm)


def fix(text: str, *, check: Callable[[str], Iterable[Diagnostic]], file: str = "") -> Fixed:
    """Mend a text until nothing is left that can be mended safely."""
    mended: list[Diagnostic] = []
    for _ in range(_ROUNDS):
        fixable = [one for one in check(text) if _is_fixable(one, file)]
        if not fixable:
            break
        text, applied = apply_edits(Source(text, file), fixable)
        mended += applied
    return Fixed(text, tuple(mended))


def apply_edits(
    source: Source, diagnostics: Iterable[Diagnostic]
) -> tuple[str, Sequence[Diagnostic]]:
    """Apply what does not overlap; return the text, and the diagnostics that were dealt with."""
    taken: list[_Change] = []
    applied: list[Diagnostic] = []
    for diagnostic in diagnostics:
        changes = [_change(source, edit) for edit in diagnostic.edits]
        if all(_is_free(change, taken) for change in changes):
            for change in changes:
                insort(taken, change)
            applied.append(diagnostic)
    return _changed(source.text, taken), applied


def _is_fixable(diagnostic: Diagnostic, file: str) -> bool:
    return bool(diagnostic.edits) and all(edit.span.file == file for edit in diagnostic.edits)


def _new_errors(before: Prepared, after: Prepared) -> tuple[Diagnostic, ...]:
    """Return the errors that were not there, told apart by what they say: lines may have moved.

    While the grammar is broken most of what is wrong stays unseen; mending it brings that to light.
    """
    had, have = ([one for one in side.diagnostics if one.is_error] for side in (before, after))
    if before.graph is None and (after.graph is not None or len(have) <= len(had)):
        return ()
    known = Counter((one.rule, one.message, one.node, one.edge) for one in had)
    found: list[Diagnostic] = []
    for one in have:
        key = one.rule, one.message, one.node, one.edge
        known[key] -= 1
        if known[key] < 0:
            found.append(one)
    return tuple(found)


def _change(source: Source, edit: Edit) -> _Change:
    span = edit.span
    start = source.offset(span.line, span.column)
    return start, source.offset(span.end_line, span.end_column), edit.text


def _is_free(change: _Change, taken: Sequence[_Change]) -> bool:
    """Tell whether a change touches none of those before it, which stand in their order."""
    at = bisect_left(taken, change)
    return not any(_overlap(change, other) for other in taken[max(0, at - 1) : at + 1])


def _overlap(one: _Change, other: _Change) -> bool:
    # Two changes in one place have no order of their own: one of them waits for the next round.
    return one[0] <= other[1] and other[0] <= one[1]


def _changed(text: str, changes: Iterable[_Change]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, instead in sorted(changes):
        pieces += [text[at:start], instead]
        at = end
    return "".join([*pieces, text[at:]])

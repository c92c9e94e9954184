"""What is to be said about a pipeline: a rule, a sentence, a place, and what to do about it.

Applies edits to a text, and knows where in the text before it everything stood.

Guesses which of many names was meant, within a bound of work.

Tells words that were mistyped by one slip of a finger, which nobody can have meant otherwise.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cache, partial
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.language.source.syntax_tree import NOWHERE, Span
from attractor.language.source.text import Source


class Severity(StrEnum):
    """How grave it is: an ERROR keeps a pipeline from running."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Edit:
    """A change of the text: what is to stand in a place instead."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One thing found; a rule leaves its own name out, whoever runs it fills it in.

    `edits` do what `fix` says, all together or not at all; there are some only where nobody could
    have meant anything else.
    """

    severity: Severity
    message: str
    span: Span = NOWHERE
    node: str = ""
    edge: tuple[str, str] | None = None
    fix: str = ""
    rule: str = ""
    edits: tuple[Edit, ...] = ()

    @property
    def node_id(self) -> str:
        """The node it is about, as attractor-spec 7.1 calls it."""
        return self.node

    @property
    def is_error(self) -> bool:
        """Whether it keeps the pipeline from running."""
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics by their place in the text; each stands there once."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: (one.span, one.rule)))


error = partial(Diagnostic, Severity.ERROR)
"""Says what keeps the pipeline from running."""

warning = partial(Diagnostic, Severity.WARNING)
"""Says what is probably not meant."""

info = partial(Diagnostic, Severity.INFO)
"""Says what is good to know."""


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


# To compare two names takes about as long as to read a line of the pipeline.
_COMPARISONS = 20_000


def suggester(known: Iterable[str]) -> Callable[[str], str]:
    """Return a function that says `did you mean ...?`; it falls silent when it has said enough.

    The names are gathered when it is first asked: where nothing is wrong nobody asks.
    """
    answers: dict[str, str] = {}

    @cache
    def names() -> list[str]:
        return sorted(set(known))

    def ask(word: str) -> str:
        if word not in answers and len(answers) < max(1, _COMPARISONS // max(1, len(names()))):
            near = suggest(word, names())
            answers[word] = f"did you mean {near}?" if near else ""
        return answers.get(word, "")

    return ask


_SHORTEST = 4


def one_slip(word: str, known: Iterable[str]) -> str:
    """Return the only known word that is one slip away, or nothing.

    A slip adds, drops or changes a letter, or swaps two neighbours. Another digit is none, and
    short words are too near to each other.
    """
    if len(word) < _SHORTEST:
        return ""
    near = [one for one in known if len(one) >= _SHORTEST and _is_slip(word, one)]
    return near[0] if len(near) == 1 else ""


def _is_slip(word: str, meant: str) -> bool:
    word, meant = word.casefold(), meant.casefold()
    if abs(len(word) - len(meant)) > 1 or word == meant:
        return word == meant
    at = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), None)
    if at is None:
        return not max(word, meant, key=len)[-1].isdigit()
    if word[at].isdigit() or meant[at].isdigit():
        return False
    behind = word[at:], meant[at:]
    return any(one[1:] == other for one, other in (behind, behind[::-1])) or _is_change(*behind)


def _is_change(word: str, meant: str) -> bool:
    """Tell whether the first letter was changed, or swapped with the next one."""
    swapped = "".join([*word[1:2], *word[:1], *word[2:]])
    return word[1:] == meant[1:] or swapped == meant

"""What a rule, the parser or a transform reports: severity, message, place and fix."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cache, partial
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.language.source.syntax_tree import (
    NOWHERE,
    Span,
    Value,
    quoted,
)
from attractor.language.source.text import written_word

SYNTAX = "syntax"
PORTABILITY = "portability"


class Severity(StrEnum):
    """How severe a diagnostic is: an ERROR prevents a pipeline from running."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Edit:
    """A replacement of a part of a text."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One finding; a rule leaves `rule` empty, and its caller fills it in.

    `edits` implement `fix`, all or none; they are empty if the intention is unclear.
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
        """The node, under the name of attractor-spec 7.1."""
        return self.node

    @property
    def is_error(self) -> bool:
        """Whether it prevents the pipeline from running."""
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics by place and remove duplicates."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: (one.span, one.rule)))


error = partial(Diagnostic, Severity.ERROR)
"""Makes a diagnostic that prevents the pipeline from running."""

warning = partial(Diagnostic, Severity.WARNING)
"""Makes a diagnostic of a probable mistake."""

info = partial(Diagnostic, Severity.INFO)
"""Makes a diagnostic for information."""


class Change(NamedTuple):
    """A replacement between two offsets."""

    start: int
    end: int
    text: str


def word_edits(value: Value, word: str) -> tuple[Edit, ...]:
    """Return the edit that replaces a value, with the same quotes; none for an empty word."""
    if not word:
        return ()
    had_quotes = value.text.startswith('"')
    return (Edit(value.span, quoted(word) if had_quotes else written_word(word)),)


# Comparing two names takes about as long as parsing a line of the pipeline.
_COMPARISONS = 20_000


def suggester(known: Iterable[str]) -> Callable[[str], str]:
    """Return a function that suggests `did you mean ...?`, for a bounded number of words.

    The known names are listed when the function is first called.
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
    """Return the only known word with a single typing error, or an empty text.

    A typing error adds, removes or changes a letter, or swaps two letters. A changed digit is no
    typing error, and short words are too similar to each other.
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
    """Return whether the first letter differs, or is swapped with the next one."""
    swapped = "".join([*word[1:2], *word[:1], *word[2:]])
    return word[1:] == meant[1:] or swapped == meant

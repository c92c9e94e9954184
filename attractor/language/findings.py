"""Gathers what is found wrong or not portable while a text is read."""

from dataclasses import replace
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.sources import Source

SYNTAX = "syntax"
PORTABILITY = "portability"


class Change(NamedTuple):
    """What is to stand between two offsets instead."""

    start: int
    end: int
    text: str


class Findings:
    """The diagnostics of one text, as they come."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def mistake(
        self, message: str, start: int, end: int, *, fix: str = "", edit: Change | None = None
    ) -> None:
        """Note what keeps the text from being a pipeline."""
        self._add(Diagnostic(Severity.ERROR, message, fix=fix, rule=SYNTAX), start, end, edit)

    def not_portable(
        self, message: str, start: int, end: int, *, fix: str, edit: Change | None = None
    ) -> None:
        """Note what only some programs accept (ruling L1)."""
        self._add(Diagnostic(Severity.INFO, message, fix=fix, rule=PORTABILITY), start, end, edit)

    def replacing(self, start: int, end: int, text: str) -> Change:
        """Return a change that grows together with nothing around it."""
        before, behind = self.source.text[start - 1 : start], self.source.text[end : end + 1]
        first, last = text[:1] or behind, text[-1:] or before
        margin = " " if _would_join(before, first) else ""
        return Change(
            start, end, margin + text + (" " if text and _would_join(last, behind) else "")
        )

    def _add(self, found: Diagnostic, start: int, end: int, edit: Change | None) -> None:
        span = self.source.span
        edits = (Edit(span(edit.start, edit.end), edit.text),) if edit else ()
        self.diagnostics.append(replace(found, span=span(start, end), edits=edits))


def _would_join(one: str, other: str) -> bool:
    return bool(one and other) and all(_is_of_a_word(sign) for sign in (one, other))


def _is_of_a_word(sign: str) -> bool:
    return sign.isalnum() or sign in '_."'

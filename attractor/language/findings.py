"""Gathers what is found wrong or not portable while a text is read."""

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.sources import Source

SYNTAX = "syntax"
PORTABILITY = "portability"


class Findings:
    """The diagnostics of one text, as they come."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []

    def mistake(self, message: str, start: int, end: int, *, fix: str = "") -> None:
        """Note what keeps the text from being a pipeline."""
        self._add(Severity.ERROR, SYNTAX, message, start, end, fix)

    def not_portable(self, message: str, start: int, end: int, *, fix: str) -> None:
        """Note what only some programs accept (ruling L1)."""
        self._add(Severity.INFO, PORTABILITY, message, start, end, fix)

    def _add(
        self, severity: Severity, rule: str, message: str, start: int, end: int, fix: str
    ) -> None:
        span = self.source.span(start, end)
        self.diagnostics.append(Diagnostic(severity, message, span, fix=fix, rule=rule))

"""What is to be said about a pipeline: a rule, a sentence, a place, and what to do about it."""

from collections.abc import Iterable
from enum import StrEnum
from functools import partial

from attractor.base.dataclasses import dataclass
from attractor.language.spans import NOWHERE, Span


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

"""The errors of the language.

UsageError
├── InvalidPipeline       2  a text that is no pipeline that could run
│   ├── ParseError        2  its grammar is broken
│   └── ValidationError   2  a rule of severity ERROR is broken
├── UnreadablePipeline    2  a file that cannot be read as text
│   └── OutsideProject    2  a file that is not looked for where it lies
└── InvalidValue          2  a text in an attribute that cannot be read
    ├── InvalidCondition  2  a condition
    └── InvalidStylesheet 2  a stylesheet
MachineryError
├── NothingDraws          3  no program that draws a graph
└── DrawingFailed         3  a program that draws could not
"""

from collections.abc import Sequence

from attractor.base.errors import MachineryError, UsageError
from attractor.language.diagnostic_output import headline
from attractor.language.diagnostics import Diagnostic


class InvalidPipeline(UsageError):
    """This pipeline cannot run as it is written."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [one for one in diagnostics if one.is_error]
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(headline(errors[0]) + others, hint=errors[0].fix)


class ParseError(InvalidPipeline):
    """The grammar of this pipeline is broken."""


class ValidationError(InvalidPipeline):
    """A rule that every pipeline must keep is broken."""


class UnreadablePipeline(UsageError):
    """This file cannot be read as text."""


class OutsideProject(UnreadablePipeline):
    """This file lies outside of the project."""


class InvalidValue(UsageError):
    """The text in this attribute cannot be read; the offsets count within it."""

    def __init__(self, message: str, *, start: int, end: int, hint: str) -> None:
        self.start, self.end = start, end
        super().__init__(message, hint=hint)


class InvalidCondition(InvalidValue):
    """This condition cannot be read."""


class InvalidStylesheet(InvalidValue):
    """This model stylesheet cannot be read."""


class NothingDraws(MachineryError):
    """No installed program draws graphs."""

    hint = "install Graphviz (Debian: apt-get install graphviz)"


class DrawingFailed(MachineryError):
    """The program that draws graphs failed."""

    hint = "look at the DOT text: attractor render FILE --format dot"

"""Diagnostics of a pipeline, the output of diagnostics, and the errors of the language.

UsageError
├── InvalidPipeline       2  a pipeline with an error
│   ├── ParseError        2  a syntax error
│   └── ValidationError   2  a broken lint rule of severity ERROR
├── NotRunnable           2  a pipeline that cannot be run here
├── UnreadablePipeline    2  a file that cannot be read as text
└── InvalidCondition      2  an invalid condition
MachineryError
├── NoDrawingProgram      3  no installed program draws graphs
└── DrawingFailed         3  the drawing program failed
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UsageError, suggest
from attractor.language.source.syntax_tree import NOWHERE, Span, Value, quoted
from attractor.language.source.text import Source, columns_of, span_within, visible, written_word

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
    """One problem in a pipeline.

    A rule leaves `rule` empty; the caller of the rule sets this field. `edits` implement `fix` and
    belong together; `edits` is empty if the intention of the author is unclear.
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
        """Whether the diagnostic prevents the pipeline from running."""
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics by place and remove duplicates."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: (one.span, one.rule)))


error = partial(Diagnostic, Severity.ERROR)
"""Create a diagnostic that prevents the pipeline from running."""

warning = partial(Diagnostic, Severity.WARNING)
"""Create a diagnostic of a probable mistake."""

info = partial(Diagnostic, Severity.INFO)
"""Create a diagnostic for information."""


class Mistake(NamedTuple):
    """A mistake in the value of an attribute, its range in the value, and a fix.

    `name` is the name that a declaration with a mistake declares. `instead` replaces the range; it
    is empty if the intention is unclear.
    """

    message: str
    start: int
    end: int
    hint: str
    name: str = ""
    instead: str = ""


def report_mistakes(
    value: Value, mistakes: Iterable[Mistake], *, prefix: str = ""
) -> Iterator[Diagnostic]:
    """Yield an error for each mistake in a value."""
    for mistake in mistakes:
        span = span_within(value, mistake.start, mistake.end)
        yield error(f"{prefix}{mistake.message}", span, fix=mistake.hint)


class Change(NamedTuple):
    """A replacement between two offsets."""

    start: int
    end: int
    text: str


def apply_changes(text: str, changes: Iterable[Change]) -> str:
    """Return the text after sorted changes; skip a change that overlaps with the one before."""
    pieces: list[str] = []
    at = 0
    for start, end, instead in changes:
        if start >= at:
            pieces += [text[at:start], instead]
            at = end
    return "".join([*pieces, text[at:]])


def word_edits(value: Value, word: str) -> tuple[Edit, ...]:
    """Return the edit that replaces a value, with the same quotes; no edit for an empty word."""
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

    A typing error adds, removes or changes a letter, or swaps two letters. A changed digit is not a
    typing error. Short words are not compared, because they are too similar to each other.
    """
    if len(word) < _SHORTEST:
        return ""
    near = [name for name in known if len(name) >= _SHORTEST and _is_slip(word, name)]
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
    word, meant = word[at:], meant[at:]
    # One letter more, one less, another letter, or two letters swapped.
    swapped = "".join([*word[1:2], *word[:1], *word[2:]])
    return meant in (word[1:], swapped) or meant[1:] in (word, word[1:])


_WIDEST = 100
_BEFORE = 60

Paint = Callable[[str], str]


def unpainted(text: str) -> str:
    """Return a text without colour."""
    return text


def place_of(span: Span) -> str:
    """Return `file:line:column`, as far as known."""
    file = span.file or "<text>"
    return f"{file}:{span.line}:{span.column}" if span.is_somewhere else span.file


def headline(diagnostic: Diagnostic) -> str:
    """Return the position, severity, rule and message as one line."""
    place = place_of(diagnostic.span)
    message = f"{diagnostic.severity}[{diagnostic.rule}]: {diagnostic.message}"
    return visible(f"{place}: {message}" if place else message)


def as_text(diagnostic: Diagnostic, source: Source | None, *, paint: Paint = unpainted) -> str:
    """Return a diagnostic as text: headline, line, caret, fix."""
    lines = [paint(headline(diagnostic))]
    if source is not None and diagnostic.span.is_somewhere:
        lines += _excerpt(diagnostic.span, source, paint)
    if diagnostic.fix:
        lines.append(f"  fix: {visible(diagnostic.fix)}")
    return "\n".join(lines)


def as_record(diagnostics: Iterable[Diagnostic], *, files: int) -> dict[str, object]:
    """Convert diagnostics to JSON, with a summary."""
    listed = list(diagnostics)
    return {"diagnostics": [record_of(one) for one in listed], "summary": _counts(listed, files)}


def record_of(diagnostic: Diagnostic) -> dict[str, object]:
    """Convert a diagnostic to JSON."""
    span = diagnostic.span
    return {
        "rule": diagnostic.rule,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "node": diagnostic.node or None,
        "edge": list(diagnostic.edge) if diagnostic.edge else None,
        "fix": diagnostic.fix or None,
        "fixable": bool(diagnostic.edits),
    }


def summary(diagnostics: Sequence[Diagnostic], *, files: int) -> str:
    """Return the summary line: the number of problems and files."""
    counts = _counts(diagnostics, files)
    found = [
        number_of(counts[f"{severity}s"], severity)
        for severity in Severity
        if counts[f"{severity}s"]
    ]
    if not found:
        return f"{number_of(files, 'file')}, no problems found"
    fixable = counts["fixable"]
    hint = f" ({fixable} fixable with --fix)" if fixable else ""
    # Unreadable files are not counted.
    where = f" in {number_of(files, 'file')}" if files else ""
    faulty = {one.span.file for one in diagnostics if one.span.file}
    if 0 < len(faulty) < files:
        named = f"{visible(*faulty)}, " if len(faulty) == 1 else ""
        where = f" in {named}{len(faulty)} of {files} files"
    return f"{', '.join(found)}{where}{hint}"


def _counts(diagnostics: Sequence[Diagnostic], files: int) -> Mapping[str, int]:
    counts = {f"{one}s": sum(d.severity is one for d in diagnostics) for one in Severity}
    return {"files": files, **counts, "fixable": sum(bool(one.edits) for one in diagnostics)}


def _excerpt(span: Span, source: Source, paint: Paint) -> list[str]:
    """Return the line with a caret below; a long line is cut around the caret."""
    line = source.line(span.line)
    first = max(0, span.column - 1 - _BEFORE) if len(line) > _WIDEST else 0
    shown = line[first : first + _WIDEST]
    before = shown[: span.column - 1 - first]
    end = span.end_column if span.end_line == span.line else len(line) + 1
    marked = shown[len(before) : end - 1 - first]
    margin = f"{span.line:>5} | "
    blank = "".join("\t" if sign == "\t" else " " * columns_of(sign) for sign in before)
    carets = "^" * max(1, columns_of(marked))
    return [margin + visible(shown), " " * 5 + " | " + blank + paint(carets)]


_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation(diagnostic: Diagnostic) -> str:
    """Return the GitHub workflow command of a diagnostic."""
    span = diagnostic.span
    # Invalid bytes of a file name cannot be printed.
    file = os.fsencode(span.file).decode(errors="replace")
    properties = {"file": file} if file else {}
    if span.is_somewhere:
        properties |= {"line": str(span.line), "col": str(span.column)}
        properties["endLine"] = str(span.end_line)
    # GitHub accepts an end column only for spans within a line.
    if span.is_somewhere and span.end_line == span.line:
        properties["endColumn"] = str(span.end_column)
    properties["title"] = diagnostic.rule
    written = ",".join(
        f"{key}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    message = [visible(one) for one in (diagnostic.message, diagnostic.fix) if one]
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_escaped(chr(10).join(message))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


MAX_LISTED = 50
"""The maximum number of graph errors in one message."""

WRITTEN = frozenset({"agent.dot", "submit.dot"})
"""The names of the pipelines that Attractor writes for agents, which have no file."""


class InvalidPipeline(UsageError):
    """The pipeline has an error and cannot run."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
        others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(headline(errors[0]) + others, hint=errors[0].fix)
        self.details = {"diagnostics": [record_of(one) for one in in_order(diagnostics)]}


class ParseError(InvalidPipeline):
    """The pipeline has a syntax error."""


class ValidationError(InvalidPipeline):
    """The pipeline breaks a lint rule of severity ERROR."""


class NotRunnable(UsageError):
    """The graph cannot be run; the message lists all errors, each with its fix."""

    def __init__(
        self, name: str, faults: Sequence[Diagnostic], *, is_not_now: bool = False
    ) -> None:
        self.faults, self.is_not_now = tuple(faults), is_not_now
        name = visible(name)
        fixes = [[*map(visible, fault.fix.split("\n"))] for fault in faults]
        if len(faults) == 1:
            message, hint = f"{name} cannot be run: {_in_one_line(faults[0])}", "\n".join(fixes[0])
        else:
            lines = [
                f"  {_in_one_line(fault)}" + (f" ({'; '.join(fix)})" if fault.fix else "")
                for fault, fix in zip(faults, fixes, strict=True)
            ]
            listed = lines[:MAX_LISTED]
            if len(lines) > MAX_LISTED:
                listed.append(f"  and {len(lines) - MAX_LISTED} more")
            message, hint = "\n".join([f"{name} cannot be run:", *listed]), ""
        super().__init__(message, hint=hint)


def _in_one_line(fault: Diagnostic) -> str:
    """Return an error in one line, with message and position; the one of an agent has no file."""
    span = fault.span
    is_written = Path(span.file).name in WRITTEN and not os.path.lexists(span.file)
    is_shown = span.is_somewhere and not is_written
    place = f"{span.file or '<text>'}:{span.line}: " if is_shown else ""
    return visible(f"{place}{fault.message}")


class UnreadablePipeline(UsageError):
    """The file cannot be read as text."""


class InvalidCondition(UsageError):
    """The condition has a syntax error; `start` and `end` are offsets in the condition."""

    def __init__(self, message: str, *, start: int, end: int, hint: str) -> None:
        self.start, self.end = start, end
        super().__init__(message, hint=hint)


class NoDrawingProgram(MachineryError):
    """No installed program draws graphs."""

    hint = "install Graphviz (Debian: apt-get install graphviz)"


class DrawingFailed(MachineryError):
    """The program that draws graphs failed."""

    hint = "check the DOT text: attractor render FILE --format dot"

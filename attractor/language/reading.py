"""Reads a pipeline from a text or a file into a graph."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, ParseError, UnreadablePipeline, in_order
from attractor.language.graph.builder import resolve
from attractor.language.graph.graph import Graph
from attractor.language.parsing.grammar import Machine, Unexpected
from attractor.language.parsing.portability import NOTED, note_pair, note_portability
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.source.syntax_tree import Digraph
from attractor.language.source.text import Source, quote


class Parsed(NamedTuple):
    """A syntax tree with diagnostics; after a syntax error, `digraph` is None.

    `readable` contains the statements without syntax errors.
    """

    digraph: Digraph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Digraph | None = None


MOST_QUOTES = 100_000
"""The number of quotes up to which the search for all syntax errors takes seconds at most."""


def parse_source(source: Source) -> Parsed:
    """Parse a text and report all syntax errors, or with very many quotes the first one."""
    findings = Findings(source)
    read = _read(findings)
    has_error = any(diagnostic.is_error for diagnostic in findings.diagnostics)
    if not isinstance(read, Digraph) or findings.unread_attributes or has_error:
        if source.text.count('"') > MOST_QUOTES:
            return _with_first_mistake(findings, read)
        return _read_with_mistakes(source)
    note_portability(findings)
    return Parsed(read, in_order(findings.diagnostics), read)


def _with_first_mistake(findings: Findings, read: Digraph | Token) -> Parsed:
    """Report the first mistake of a text without looking for the quote that caused it."""
    mistakes = [diagnostic for diagnostic in findings.diagnostics if diagnostic.is_error]
    text = findings.source.text
    if not mistakes:
        if findings.unread_attributes:
            start, end = findings.unread_attributes[0]
        else:
            assert isinstance(read, Token)
            start, end = read.start, read.end
        count = text.count('"')
        found = f"unexpected {quote(text[start:end])}" if start < end else "unclosed '{'"
        fix = f"check the quotes before it: the text has {count:,}"
        findings.mistake(found, start, end, fix=fix)
        mistakes = findings.diagnostics[-1:]
    return Parsed(None, tuple(mistakes[:1]), None)


def _read(findings: Findings) -> Digraph | Token:
    """Parse a text up to its end, or return the first unexpected token.

    No token is kept, because the tokens of a large text need as much memory as the tree.
    """
    feed, built = Machine().feed, None
    before: Token | None = None
    token = Token(END, 0, 0)
    try:
        for token in scan(findings):
            built = feed(token)
            if before is not None and (before[0], token[0]) in NOTED:
                note_pair(before, token, findings)
            before = token
    except Unexpected:
        return token
    return built if isinstance(built, Digraph) else token


def _read_with_mistakes(source: Source) -> Parsed:
    """Parse a text again, continuing after each syntax error."""
    # Only imported for a text with syntax errors.
    from attractor.language.syntax_errors.missing_quotes import repair_text
    from attractor.language.syntax_errors.recovery import recover

    findings = repair_text(source) or Findings(source)
    readable = recover(findings)
    # Around a syntax error, portability notes are mostly wrong.
    mistakes = (diagnostic for diagnostic in findings.diagnostics if diagnostic.is_error)
    return Parsed(None, in_order(mistakes), readable)


@contextmanager
def collection_paused() -> Generator[None]:
    """Pause the garbage collector, because without garbage collection a parse takes a third of the
    time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Reading(NamedTuple):
    """A graph with diagnostics; `graph` is None if there is a syntax error.

    `readable` is the graph of all statements without syntax errors.
    """

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Graph | None = None


def read_graph(source: Source) -> Reading:
    """Read a text and report all syntax errors, without raising."""
    with collection_paused():
        parsed = parse_source(source)
        readable = resolve(parsed.readable) if parsed.readable else None
    return Reading(readable if parsed.digraph else None, parsed.diagnostics, readable)


def parse(text: str, *, file: str = "") -> Graph:
    """Read a pipeline from a text, or raise ParseError."""
    reading = read_graph(Source(text, file))
    if reading.graph is None:
        raise ParseError(reading.diagnostics)
    return reading.graph


def parse_file(path: str | Path) -> Graph:
    """Read a pipeline from a file."""
    source = open_source(path)
    return parse(source.text, file=source.file)


def open_source(path: str | Path) -> Source:
    """Read a text file, or raise UnreadablePipeline."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadablePipeline(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UnreadablePipeline(f"cannot read {str(path)!r}: {error}") from error
    return Source(decode(content, file=str(path)), str(path))


def decode(content: bytes, *, file: str = "") -> str:
    """Decode UTF-8, or raise UnreadablePipeline."""
    named = file or "the text"
    if content.startswith(_UTF_16_MARKS):
        raise UnreadablePipeline(f"{named} is UTF-16, not UTF-8", hint="save it as UTF-8")
    if b"\0" in content:
        raise UnreadablePipeline(f"{named} is a binary file", hint="pass a DOT file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{named} is not valid UTF-8 (line {line})"
        raise UnreadablePipeline(message, hint="save it as UTF-8") from error

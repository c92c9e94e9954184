"""Reads a pipeline from a text or a file into a graph."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.errors import ParseError, UnreadablePipeline
from attractor.language.graph.graph import Graph
from attractor.language.graph.resolve import resolve
from attractor.language.parsing.grammar import (
    Machine,
    Unexpected,
)
from attractor.language.parsing.portability import NOTED, note_pair, note_portability
from attractor.language.parsing.tokens import Findings, Token, scan
from attractor.language.source.syntax_tree import Digraph
from attractor.language.source.text import Source


class Parsed(NamedTuple):
    """What a text says, and what is to be said about it; no digraph when a mistake is in it.

    `readable` is what could be read all the same.
    """

    digraph: Digraph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Digraph | None = None


def parse_source(source: Source) -> Parsed:
    """Read a text whole, and note every mistake in it."""
    findings = Findings(source)
    digraph = _read(findings)
    has_error = any(one.is_error for one in findings.diagnostics)
    if digraph is None or findings.unread_attributes or has_error:
        return _read_with_mistakes(source)
    note_portability(findings)
    return Parsed(digraph, in_order(findings.diagnostics), digraph)


def _read(findings: Findings) -> Digraph | None:
    """Read a text up to its end; nothing when the grammar expects something else somewhere.

    No token is kept: in a large text they would take as much room as all that is made of them.
    """
    feed, built = Machine().feed, None
    before: Token | None = None
    try:
        for token in scan(findings):
            built = feed(token)
            if before is not None and (before[0], token[0]) in NOTED:
                note_pair(before, token, findings)
            before = token
    except Unexpected:
        return None
    return built if isinstance(built, Digraph) else None


def _read_with_mistakes(source: Source) -> Parsed:
    """Read a text again, going on after each mistake; one wrong quote hides all behind it."""
    # A pipeline without syntax errors does not need them.
    from attractor.language.syntax_errors.missing_quotes import mend
    from attractor.language.syntax_errors.recovery import recover

    findings = mend(source) or Findings(source)
    readable = recover(findings)
    # Around a mistake much looks odd that is not.
    mistakes = (one for one in findings.diagnostics if one.is_error)
    return Parsed(None, in_order(mistakes), readable)


@contextmanager
def collection_paused() -> Generator[None]:
    """Pause the collector: walking a growing heap again and again triples the time of a parse."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Reading(NamedTuple):
    """What came of a text: a graph unless its grammar is broken, and what is to be said of it.

    `readable` is the graph, or what is left of it when its grammar is broken.
    """

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    readable: Graph | None = None


def read_graph(source: Source) -> Reading:
    """Read a text and report every mistake in it, without raising."""
    with collection_paused():
        parsed = parse_source(source)
        readable = resolve(parsed.readable) if parsed.readable else None
    return Reading(readable if parsed.digraph else None, parsed.diagnostics, readable)


def parse(text: str, *, file: str = "") -> Graph:
    """Read a pipeline from a text; one with mistakes raises ParseError."""
    reading = read_graph(Source(text, file))
    if reading.graph is None:
        raise ParseError(reading.diagnostics)
    return reading.graph


def parse_file(path: str | Path) -> Graph:
    """Read a pipeline from a file."""
    source = open_source(path)
    return parse(source.text, file=source.file)


def open_source(path: str | Path) -> Source:
    """Read a file as text, or say why it is none."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadablePipeline(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UnreadablePipeline(f"cannot read {str(path)!r}: {error}") from error
    return Source(decode(content, file=str(path)), str(path))


def decode(content: bytes, *, file: str = "") -> str:
    """Return the text that bytes stand for, which must be UTF-8."""
    named = file or "the text"
    encoding = _BYTE_ORDER_MARKS.get(content[:2])
    if encoding:
        raise UnreadablePipeline(f"{named} is not UTF-8 but {encoding}", hint="save it as UTF-8")
    if b"\0" in content:
        raise UnreadablePipeline(f"{named} is not a text", hint="name a file of DOT text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{named} is not UTF-8 (line {line})"
        raise UnreadablePipeline(message, hint="save it as UTF-8") from error

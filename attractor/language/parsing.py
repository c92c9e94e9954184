"""From text to graph."""

from pathlib import Path
from typing import NamedTuple

from attractor.language.collecting import collection_paused
from attractor.language.diagnostics import Diagnostic
from attractor.language.errors import ParseError, UnreadablePipeline
from attractor.language.graph import Graph
from attractor.language.parser import parse_source
from attractor.language.resolving import resolve
from attractor.language.sources import Source

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

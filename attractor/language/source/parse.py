"""Reads a text by the grammar of `dot.lark`, token by token.

Walks through the table that lark made of a grammar, one token at a time, and can recover.

The table is made beforehand (`table_building.py`): to import lark and to let it build one takes
longer than to check a pipeline.

Keeps the garbage collector out of the way where much is made and nothing thrown away.

From text to graph.
"""

import gc
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.errors import ParseError, UnreadablePipeline
from attractor.language.graph.graph import Graph
from attractor.language.graph.resolve import resolve
from attractor.language.source.syntax_tree import Digraph
from attractor.language.source.text import Source
from attractor.language.source.tokens import (
    END,
    NOTED,
    Findings,
    Token,
    TreeBuilder,
    note_pair,
    note_portability,
    scan,
)

TABLE = Path(__file__).parent.parent / "grammars" / "dot.table.json"


class Unexpected(Exception):
    """A token that the grammar does not expect."""


class KeptSymbol(NamedTuple):
    """A symbol of a rule that something is left of: where it stands, and whether it is a list."""

    place: int
    is_list: bool


class Rule(NamedTuple):
    """A rule of the grammar: its name, how many symbols it has, and what is left of them.

    A rule without a maker is part of another one, and leaves a list. A single child that a rule
    passes on stands for the rule.
    """

    name: str
    size: int
    kept: Sequence[KeptSymbol]
    passes_on: bool
    make: Callable[[list[Any]], object] | None


class Table(NamedTuple):
    """What to do in which state: go on to another (from 0), or reduce by a rule (below 0)."""

    end: int
    states: Sequence[Mapping[str, int]]
    rules: Sequence[Rule]


class Machine:
    """A walk through the states of the grammar of `dot.lark`."""

    def __init__(self) -> None:
        self._table = _table()
        self._states = [0]
        self._values: list[Any] = []

    def feed(self, token: Token) -> object:
        """Take a token, or raise Unexpected; behind the last one return what was built."""
        states, stack, type_ = self._table.states, self._states, token.type
        while True:
            action = states[stack[-1]].get(type_)
            if action is None:
                raise Unexpected(type_)
            if action >= 0:
                stack.append(action)
                self._values.append(token)
                return None
            self._reduce(self._table.rules[-action - 1])
            if type_ == END and stack[-1] == self._table.end:
                return self._values[-1]

    @property
    def is_at_beginning(self) -> bool:
        """Whether nothing has been taken yet."""
        return len(self._states) == 1

    def expects_only(self, type_: str) -> bool:
        """Tell whether no other token may follow."""
        return set(self._table.states[self._states[-1]]) == {type_}

    def is_behind(self, token: Token) -> bool:
        """Tell whether a token was the last that was taken, so that nothing has come of it yet."""
        return bool(self._values) and self._values[-1] is token

    def take_back(self) -> None:
        """Forget the last token, of which nothing may have come yet."""
        self._states.pop()
        self._values.pop()

    def depth_for(self, type_: str) -> int:
        """Return how much of the walk is kept so that a token of this type may be taken next."""
        depth = len(self._states)
        # A state that would reduce first does not tell yet whether the token may follow.
        while depth and self._table.states[self._states[depth - 1]].get(type_, -1) < 0:
            depth -= 1
        return depth

    def cut(self, depth: int) -> None:
        """Forget what is deeper."""
        del self._states[depth:]
        del self._values[depth - 1 :]

    def _reduce(self, rule: Rule) -> None:
        values, stack = self._values, self._states
        first = len(values) - rule.size
        children = _children(rule.kept, values, first)
        built: object = children
        if rule.passes_on and len(children) == 1:
            built = children[0]
        elif rule.make is not None:
            built = rule.make(children)
        del values[first:]
        del stack[first + 1 :]
        values.append(built)
        stack.append(self._table.states[stack[-1]][rule.name])


def _children(kept: Sequence[KeptSymbol], values: list[Any], first: int) -> list[Any]:
    """Return what is left of the symbols of a rule; a list that comes first is gone on with."""
    children: list[Any] = []
    for place, is_list in kept:
        value = values[first + place]
        if not is_list:
            children.append(value)
        elif children:
            children += value
        else:
            children = value
    return children


@cache
def _table() -> Table:
    return read_table(json.loads(TABLE.read_text("utf-8")), TreeBuilder())


def read_table(written: Mapping[str, Any], builder: object) -> Table:
    """Make a table of what stands in its file, with the methods of a builder."""
    rules = [
        Rule(
            name, size, [KeptSymbol(*one) for one in kept], passes_on, getattr(builder, name, None)
        )
        for name, size, kept, passes_on in written["rules"]
    ]
    return Table(written["end"], written["states"], rules)


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
    if digraph is None or any(one.is_error for one in findings.diagnostics):
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
    # Imported here: few callers need it.
    from attractor.language.syntax_errors.missing_quotes import mend

    findings = mend(source) or Findings(source)
    # Imported here: few callers need it.
    from attractor.language.syntax_errors.recovery import recover

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

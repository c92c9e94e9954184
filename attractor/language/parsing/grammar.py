"""Parses tokens to a syntax tree with the parse table that lark generated from `dot.lark`."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from attractor.language.parsing.tokens import END, Token
from attractor.language.source.syntax_tree import (
    Assignment,
    Attribute,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Omitted,
    Span,
    Statement,
    SubgraphStatement,
)

TABLE = Path(__file__).parent.parent / "grammars" / "dot.table.json"


class Unexpected(Exception):
    """A token that the grammar does not expect."""


class KeptSymbol(NamedTuple):
    """A symbol with a value in a grammar rule: position of the symbol, and whether the value is a
    list.
    """

    place: int
    is_list: bool


class Rule(NamedTuple):
    """A rule of the grammar: name, number of symbols, and the symbols that have a value.

    A rule without `make` is part of another rule and returns a list. With `passes_on` a single
    child replaces the rule.
    """

    name: str
    size: int
    kept: Sequence[KeptSymbol]
    passes_on: bool
    make: Callable[[list[Any]], object] | None


class Table(NamedTuple):
    """Actions by state and token: a state to go to (from 0), or a rule to reduce by (below 0)."""

    end: int
    states: Sequence[Mapping[str, int]]
    rules: Sequence[Rule]


class Machine:
    """A parser of `dot.lark` that takes one token at a time."""

    def __init__(self) -> None:
        self._table = _table()
        self._states = [0]
        self._values: list[Any] = []

    def feed(self, token: Token) -> object:
        """Process one token, or raise Unexpected; return the tree after the last token."""
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
        """Whether no token has been processed yet."""
        return len(self._states) == 1

    def expects_only(self, type_: str) -> bool:
        """Return whether no other token is expected."""
        return set(self._table.states[self._states[-1]]) == {type_}

    def is_behind(self, token: Token) -> bool:
        """Return whether a token is the last processed token and not reduced yet."""
        return bool(self._values) and self._values[-1] is token

    def take_back(self) -> None:
        """Remove the last token, which must not be reduced yet."""
        self._states.pop()
        self._values.pop()

    def depth_for(self, type_: str) -> int:
        """Return the depth of the stack at which a token of this type is expected."""
        depth = len(self._states)
        # A state that reduces first does not show whether the token is expected.
        while depth and self._table.states[self._states[depth - 1]].get(type_, -1) < 0:
            depth -= 1
        return depth

    def cut(self, depth: int) -> None:
        """Remove the states above a depth."""
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
    """Return the values of a rule's symbols; a leading list is extended."""
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
    """Make a table from its JSON values and the methods of a builder."""
    rules = [
        Rule(
            name, size, [KeptSymbol(*one) for one in kept], passes_on, getattr(builder, name, None)
        )
        for name, size, kept, passes_on in written["rules"]
    ]
    return Table(written["end"], written["states"], rules)


_OMITTED = Omitted()


class TreeBuilder:
    """Builds statements from the children of grammar rules; it has no state."""

    def pipeline(self, children: list[Token | Statement]) -> Digraph:
        """Build the graph."""
        return Digraph(_id(children), _statements(children), _span(children))

    def assignment(self, children: list[Token]) -> Statement:
        """Build `key = value`; nothing if the value is invalid."""
        found = children[0].attributes
        return Assignment(found[0]) if found else _OMITTED

    def defaults(self, children: list[Token]) -> Defaults:
        """Build a default block."""
        return Defaults(children[0].type.lower(), _attributes(children))

    def subgraph(self, children: list[Token | Statement]) -> SubgraphStatement:
        """Build a subgraph."""
        return SubgraphStatement(_id(children), _statements(children), _span(children))

    def node(self, children: list[Token]) -> NodeStatement:
        """Build a declared node."""
        return NodeStatement(_ids(children)[0], _attributes(children))

    def edge(self, children: list[Token | Statement]) -> EdgeStatement:
        """Build a chain of edges."""
        return EdgeStatement(_ids(children), _attributes(children))

    def port(self, children: list[Token]) -> Omitted:
        """Drop a port."""
        return _OMITTED

    def mistake(self, children: list[Token]) -> Omitted:
        """Build a placeholder for an invalid statement."""
        return _OMITTED


def _ids(children: Sequence[Token | Statement]) -> tuple[Identifier, ...]:
    tokens = (one for one in children if isinstance(one, Token) and one.type == "ID")
    return tuple(token.id for token in tokens if token.id is not None)


def _id(children: Sequence[Token | Statement]) -> Identifier | None:
    return next(iter(_ids(children[:2])), None)


def _statements(children: Sequence[Token | Statement]) -> tuple[Statement, ...]:
    return tuple(one for one in children if not isinstance(one, Token | Omitted))


def _span(children: Sequence[Token | Statement]) -> Span:
    """Return the span of the first word of a rule."""
    word = children[0]
    assert isinstance(word, Token)
    assert word.id is not None
    return word.id.span


def _attributes(children: Sequence[Token | Statement]) -> tuple[Attribute, ...]:
    tokens = (one for one in children if isinstance(one, Token))
    lists = [token.attributes for token in tokens if token.type == "ATTRIBUTES"]
    return lists[0] if len(lists) == 1 else tuple(one for found in lists for one in found)

"""Makes the statements of a text while it is parsed: a method for each rule of `dot.lark`."""

from collections.abc import Sequence

from attractor.language.spans import Span
from attractor.language.syntax import (
    Assignment,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Omitted,
    Statement,
    SubgraphStatement,
)
from attractor.language.tokens import Token
from attractor.language.values import Attribute

_OMITTED = Omitted()


class TreeBuilder:
    """Turns the children of a rule into a statement; it remembers nothing."""

    def pipeline(self, children: list[Token | Statement]) -> Digraph:
        """Build the whole."""
        return Digraph(_id(children), _statements(children), _span(children))

    def assignment(self, children: list[Token]) -> Statement:
        """Build `key = value`; nothing is left of it when the value was wrong."""
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
        """Keep the place of what could not be read."""
        return _OMITTED


def _ids(children: Sequence[Token | Statement]) -> tuple[Identifier, ...]:
    tokens = (one for one in children if isinstance(one, Token) and one.type == "ID")
    return tuple(token.id for token in tokens if token.id is not None)


def _id(children: Sequence[Token | Statement]) -> Identifier | None:
    return next(iter(_ids(children[:2])), None)


def _statements(children: Sequence[Token | Statement]) -> tuple[Statement, ...]:
    return tuple(one for one in children if not isinstance(one, Token | Omitted))


def _span(children: Sequence[Token | Statement]) -> Span:
    """Return the place of the word that a rule begins with."""
    word = children[0]
    assert isinstance(word, Token)
    assert word.id is not None
    return word.id.span


def _attributes(children: Sequence[Token | Statement]) -> tuple[Attribute, ...]:
    tokens = (one for one in children if isinstance(one, Token))
    lists = [one.attributes for one in tokens if one.type == "ATTRIBUTES"]
    return lists[0] if len(lists) == 1 else tuple(one for found in lists for one in found)

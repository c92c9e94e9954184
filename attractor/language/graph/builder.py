"""Builds a graph in Python, as its text would."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from attractor.base.errors import UsageError
from attractor.language.graph.graph import (
    Graph,
)
from attractor.language.graph.resolve import resolve
from attractor.language.source.syntax_tree import (
    NOWHERE,
    Assignment,
    Attribute,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Plain,
    Statement,
    SubgraphStatement,
    Value,
)

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class GraphBuilder:
    """Builds a graph from one statement after another.

    Pass attributes whose names are no Python identifiers in a dictionary:
    `node("ask", shape="hexagon", **{"human.default_choice": "ship"})`.
    """

    def __init__(self, name: str, **attributes: Plain) -> None:
        self._name = _checked(name, "the name of a graph")
        self._statements: list[list[Statement]] = [[]]
        self._add(*map(Assignment, _attributes(attributes, "the graph")))

    def node(self, id_: str, /, **attributes: Plain) -> "GraphBuilder":
        """Declare a node."""
        given = _attributes(attributes, f"the node {id_!r:.40}")
        return self._add(NodeStatement(_identifier(id_), given))

    def edge(self, *ids: str, **attributes: Plain) -> "GraphBuilder":
        """Add edges from the first node to the second, from the second to the third, and so on."""
        if len(ids) < 2:
            raise UsageError("an edge needs at least two nodes", hint='write edge("plan", "test")')
        ends = tuple(map(_identifier, ids))
        return self._add(EdgeStatement(ends, _attributes(attributes, f"the edge from {ids[0]!r}")))

    def defaults(self, of: str, /, **attributes: Plain) -> "GraphBuilder":
        """Set defaults for every `node` or every `edge` behind it."""
        if of not in ("node", "edge"):
            raise UsageError(f"unknown defaults {of!r}", hint="use node or edge")
        return self._add(Defaults(of, _attributes(attributes, f"every {of}")))

    @contextmanager
    def subgraph(self, id_: str = "", /, **attributes: Plain) -> Generator["GraphBuilder"]:
        """Add the statements of the block to a subgraph."""
        identifier = _identifier(id_) if id_ else None
        given = _attributes(attributes, f"the subgraph {id_!r:.40}")
        self._statements.append([])
        try:
            yield self._add(*map(Assignment, given))
        finally:
            inside = tuple(self._statements.pop())
            self._add(SubgraphStatement(identifier, inside, NOWHERE))

    def build(self) -> Graph:
        """Return the graph."""
        if len(self._statements) > 1:
            raise UsageError("unclosed subgraph", hint="call build() after the block")
        name = Identifier(self._name, NOWHERE) if self._name else None
        return resolve(Digraph(name, tuple(self._statements[0]), NOWHERE))

    def _add(self, *statements: Statement) -> "GraphBuilder":
        self._statements[-1] += statements
        return self


def _identifier(id_: str) -> Identifier:
    return Identifier(_checked(id_, "an id"), NOWHERE)


def _attributes(attributes: Mapping[str, Plain], of: str) -> tuple[Attribute, ...]:
    return tuple(_attribute(_checked(key, "a key"), one, of) for key, one in attributes.items())


def _attribute(key: str, plain: Plain, of: str) -> Attribute:
    try:
        return Attribute(
            key, Value.of(_checked(plain, "the text") if isinstance(plain, str) else plain)
        )
    except UsageError as error:
        message = f"{key} of {of}: {error.message}"
        raise UsageError(message, hint=error.hint) from error


def _checked(text: object, what: str) -> str:
    """Return a text if a file can contain it."""
    if not isinstance(text, str):
        raise UsageError(f"{what} must be a text, not {text!r:.40}", hint='put it in quotes: "a"')
    if _UNWRITABLE.search(text):
        message = f"invalid character in {what}: {text!r:.40}"
        raise UsageError(message, hint="remove NUL characters and surrogates")
    return text

"""Makes a graph in code, as its text would."""

from collections.abc import Generator
from contextlib import contextmanager

from attractor.base.errors import UsageError
from attractor.language.graph import Graph
from attractor.language.resolving import resolve
from attractor.language.spans import NOWHERE
from attractor.language.syntax import (
    Assignment,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Statement,
    SubgraphStatement,
)
from attractor.language.values import Attribute, Plain, Value


class GraphBuilder:
    """Takes one statement after another, and gives the graph that they mean.

    An attribute whose name Python does not take is given in a dictionary:
    `node("ask", shape="hexagon", **{"human.default_choice": "ship"})`.
    """

    def __init__(self, name: str, **attributes: Plain) -> None:
        self._name = name
        self._statements: list[list[Statement]] = [[]]
        self._add(*map(Assignment, _attributes(attributes)))

    def node(self, id_: str, /, **attributes: Plain) -> "GraphBuilder":
        """Declare a node."""
        return self._add(NodeStatement(_identifier(id_), _attributes(attributes)))

    def edge(self, *ids: str, **attributes: Plain) -> "GraphBuilder":
        """Lead from the first node to the second, from that to the third, and so on."""
        if len(ids) < 2:
            raise UsageError("an edge has two ends at least", hint='write edge("plan", "test")')
        return self._add(EdgeStatement(tuple(map(_identifier, ids)), _attributes(attributes)))

    def defaults(self, of: str, /, **attributes: Plain) -> "GraphBuilder":
        """Say what holds for every `node` or every `edge` that follows."""
        if of not in ("node", "edge"):
            raise UsageError(f"no defaults are known for {of!r}", hint="say node or edge")
        return self._add(Defaults(of, _attributes(attributes)))

    @contextmanager
    def subgraph(self, id_: str = "", /, **attributes: Plain) -> Generator["GraphBuilder"]:
        """Put what is added within the block into a subgraph."""
        self._statements.append([])
        try:
            yield self._add(*map(Assignment, _attributes(attributes)))
        finally:
            inside = tuple(self._statements.pop())
            identifier = _identifier(id_) if id_ else None
            self._add(SubgraphStatement(identifier, inside, NOWHERE))

    def build(self) -> Graph:
        """Return the graph."""
        if len(self._statements) > 1:
            raise UsageError("a subgraph is still open", hint="build behind its block")
        name = Identifier(self._name, NOWHERE) if self._name else None
        return resolve(Digraph(name, tuple(self._statements[0]), NOWHERE))

    def _add(self, *statements: Statement) -> "GraphBuilder":
        self._statements[-1] += statements
        return self


def _identifier(id_: str) -> Identifier:
    return Identifier(id_, NOWHERE)


def _attributes(attributes: dict[str, Plain]) -> tuple[Attribute, ...]:
    return tuple(Attribute(key, Value.of(plain)) for key, plain in attributes.items())

"""Builds a graph from a syntax tree or from Python calls (attractor-spec 2.9-2.12)."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from itertools import pairwise

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.patterns import late_pattern
from attractor.language.graph.graph import DuplicateAttribute, Edge, Graph, Node, Subgraph
from attractor.language.source.syntax_tree import (
    NO_ATTRIBUTES,
    NOWHERE,
    Assignment,
    Attribute,
    Attributes,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Plain,
    Span,
    Statement,
    SubgraphStatement,
    Value,
)


def repeated(attributes: Sequence[Attribute], node: str = "") -> Sequence[DuplicateAttribute]:
    """Return the duplicate attributes of a list."""
    if len(attributes) < 2 or len({one.key for one in attributes}) == len(attributes):
        return ()
    before: dict[str, Attribute] = {}
    repeats: list[DuplicateAttribute] = []
    for attribute in attributes:
        if attribute.key in before:
            repeats.append(DuplicateAttribute(before[attribute.key], attribute, node))
        before[attribute.key] = attribute
    return repeats


def changed(
    before: Mapping[str, Attribute], attributes: Iterable[Attribute], node: str = ""
) -> Iterator[DuplicateAttribute]:
    """Yield the attributes that override a different value of an earlier statement."""
    for attribute in attributes if before else ():
        lost = before.get(attribute.key)
        if lost is not None and lost.value != attribute.value:
            yield DuplicateAttribute(lost, attribute, node)


_SEPARATORS = late_pattern(r"[,\s]+")
_NOT_IN_A_CLASS = late_pattern(r"[^a-z0-9-]")

MOST_CLASSES_AROUND = 100
"""A node has the classes of this many innermost subgraphs with labels."""

_Table = dict[str, Attribute]


def resolve(digraph: Digraph) -> Graph:
    """Return the graph of a syntax tree."""
    resolution = _Resolution()
    resolution.walk(digraph.statements)
    # The label of a subgraph may be behind its nodes; outer scopes come before inner ones.
    for scope in resolution.scopes:
        scope.derive_classes()
    return Graph(
        name=digraph.id.text if digraph.id else "",
        nodes={draft.id.text: draft.node() for draft in resolution.drafts.values()},
        edges=tuple(resolution.edges),
        attributes=Attributes(resolution.scopes[0].own),
        subgraphs=tuple(_subgraphs(resolution)),
        span=digraph.span,
        repeats=tuple(resolution.repeats),
    )


def derived_class(label: str) -> str:
    """Return the class that a subgraph's label gives its nodes: `Loop A` gives `loop-a`."""
    return _NOT_IN_A_CLASS.sub("", label.lower().replace(" ", "-"))


def split_classes(classes: str) -> list[str]:
    """Return the names in a `class` attribute, separated by commas or blanks (ruling L7)."""
    return [name for name in _SEPARATORS.split(classes) if name]


@dataclass
class _Scope:
    """The graph or a subgraph, with its attributes and current defaults."""

    parent: "_Scope | None" = None
    id: str = ""
    span: Span = NOWHERE
    own: _Table = field(default_factory=dict[str, Attribute])
    nodes: _Table = field(default_factory=dict[str, Attribute])
    edges: _Table = field(default_factory=dict[str, Attribute])
    mentioned: dict[str, None] = field(default_factory=dict[str, None])
    classes: tuple[str, ...] = ()

    def derive_classes(self) -> None:
        """Set the classes derived from the labels of the enclosing subgraphs, outermost first."""
        if self.parent is None:
            return
        self.classes = self.parent.classes
        label = self.own.get("label")
        derived = derived_class(str(label.value)) if label else ""
        if derived:
            self.classes = (*self.classes, derived)[-MOST_CLASSES_AROUND:]

    def set_defaults(self, defaults: Defaults) -> None:
        attributes_ = _table(defaults.attributes)
        # Replaced, not changed: earlier nodes keep the earlier defaults.
        if defaults.of == "node":
            self.nodes = {**self.nodes, **attributes_}
        elif defaults.of == "edge":
            self.edges = {**self.edges, **attributes_}
        else:
            self.own.update(attributes_)


@dataclass(slots=True)
class _Draft:
    """A node while the text is read; later statements can still set attributes of the node."""

    id: Identifier
    defaults: _Table
    scope: _Scope
    given: _Table | None = None
    # Most nodes belong to one scope, so only nodes in several scopes list them.
    scopes: dict[int, _Scope] | None = None

    @property
    def is_declared(self) -> bool:
        return self.given is not None

    def declare(self, statement: NodeStatement, scope: _Scope) -> None:
        """Set the attributes in a declaration; earlier attributes that are not repeated stay."""
        if self.given is None:
            self.id, self.defaults, self.scope = statement.id, scope.nodes, scope
            self.given = _table(statement.attributes)
            return
        self.defaults = {**scope.nodes, **self.defaults}
        if scope is not self.scope:
            self.scopes = self.scopes or {id(self.scope): self.scope}
            self.scopes[id(scope)] = scope
        self.given.update(_table(statement.attributes))

    def is_in(self, scope: _Scope) -> bool:
        return scope is self.scope or (self.scopes is not None and id(scope) in self.scopes)

    def node(self) -> Node:
        given = self.given or {}
        table = {**self.defaults, **given} if self.defaults else given
        own = split_classes(str(table["class"].value)) if "class" in table else []
        scopes = self.scopes.values() if self.scopes else (self.scope,)
        derived = [one for scope in scopes for one in scope.classes]
        return Node(
            self.id.text,
            Attributes(table) if table else NO_ATTRIBUTES,
            tuple(dict.fromkeys([*own, *derived])),
            self.id.span,
            self.is_declared,
        )


class _Resolution:
    """A traversal of the statements, without recursion."""

    def __init__(self) -> None:
        self.scopes = [_Scope()]
        self.drafts: dict[str, _Draft] = {}
        self.edges: list[Edge] = []
        self.repeats: list[DuplicateAttribute] = []

    def walk(self, statements: Iterable[Statement]) -> None:
        waiting = [(self.scopes[0], iter(statements))]
        while waiting:
            scope, rest = waiting[-1]
            statement = next(rest, None)
            if statement is None:
                waiting.pop()
            elif isinstance(statement, SubgraphStatement):
                id_ = statement.id.text if statement.id else ""
                within = _Scope(scope, id_, statement.span, {}, scope.nodes, scope.edges)
                self.scopes.append(within)
                waiting.append((within, iter(statement.statements)))
            else:
                self._take(statement, scope)

    def _take(self, statement: Statement, scope: _Scope) -> None:
        match statement:
            case NodeStatement():
                draft = self._draft(statement.id, scope)
                self.repeats += repeated(statement.attributes, statement.id.text)
                if draft.given:
                    self.repeats += changed(draft.given, statement.attributes, draft.id.text)
                draft.declare(statement, scope)
            case EdgeStatement():
                self.repeats += repeated(statement.attributes)
                self._chain(statement, scope)
            case Defaults():
                self.repeats += repeated(statement.attributes)
                if statement.of == "graph":
                    self.repeats += changed(scope.own, statement.attributes)
                scope.set_defaults(statement)
            case Assignment(attribute):
                self.repeats += changed(scope.own, [attribute])
                scope.own[attribute.key] = attribute
            case _:
                pass

    def _draft(self, id_: Identifier, scope: _Scope) -> _Draft:
        scope.mentioned[id_.text] = None
        draft = self.drafts.get(id_.text)
        if draft is None:
            draft = self.drafts[id_.text] = _Draft(id_, scope.nodes, scope)
        return draft

    def _chain(self, statement: EdgeStatement, scope: _Scope) -> None:
        table = _table(statement.attributes)
        if scope.edges:
            table = {**scope.edges, **table}
        attributes = Attributes(table) if table else NO_ATTRIBUTES
        for id_ in statement.ids:
            self._draft(id_, scope)
        for source, target in pairwise(statement.ids):
            span = source.span.through(target.span)
            self.edges.append(Edge(source.text, target.text, attributes, span))


def _subgraphs(resolution: _Resolution) -> Iterator[Subgraph]:
    """Yield every subgraph with its direct nodes."""
    places = {id(scope): place for place, scope in enumerate(resolution.scopes, -1)}
    for scope in resolution.scopes[1:]:
        own = Attributes(scope.own) if scope.own else NO_ATTRIBUTES
        nodes = (id_ for id_ in scope.mentioned if resolution.drafts[id_].is_in(scope))
        yield Subgraph(scope.id, own, tuple(nodes), places[id(scope.parent)], scope.span)


def _table(attributes: Iterable[Attribute]) -> _Table:
    return {attribute.key: attribute for attribute in attributes}


_UNWRITABLE = late_pattern("[\0\ud800-\udfff]")


class GraphBuilder:
    """Builds a graph from one statement after another.

    Pass attributes whose names are not Python identifiers in a dictionary:
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
        """Set defaults for every following `node` or every following `edge`."""
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
    """Return a text if a file can contain this text; otherwise raise an error about `what`."""
    if not isinstance(text, str):
        raise UsageError(f"{what} must be a text, not {text!r:.40}", hint='put it in quotes: "a"')
    if _UNWRITABLE.search(text):
        message = f"invalid character in {what}: {text!r:.40}"
        raise UsageError(message, hint="remove NUL characters and surrogates")
    return text

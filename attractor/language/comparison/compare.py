"""Compares two pipelines by their effective values, including defaults."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language.comparison.difference import (
    AttributeChange,
    Difference,
    EdgeChange,
    NodeChange,
    NodeMove,
    SubgraphChange,
)
from attractor.language.conditions.condition import (
    OUTCOME_KEYS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    Unreadable,
    canonical_outcome,
    read_number,
)
from attractor.language.conditions.parse import read_condition
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    NAMING_KEYS,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.builder import split_classes
from attractor.language.graph.graph import (
    DEFAULT_FIDELITY,
    DEFAULT_SHAPE,
    DEFAULT_TYPE,
    Edge,
    Graph,
    Node,
    Subgraph,
)
from attractor.language.graph.paid_loops import default_visits
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Attributes, ValueKind, parse_integer
from attractor.language.transforms.aliases import Aliases


def meaning(text: str, known: KnownAttribute | None) -> Hashable:
    """Return a normalized value, equal for texts with the same meaning.

    An invalid text is unchanged.
    """
    read = (_BY_NAME.get(known.name) or _BY_TYPE.get(known.type)) if known else None
    value = read(text) if read else None
    return text if value is None else value


def _duration(text: str) -> Hashable:
    try:
        return parse_duration(text)
    except InvalidDuration:
        return None


def _condition(text: str) -> Hashable:
    condition = read_condition(text)
    return None if isinstance(condition, Unreadable) else _normalized(condition)


def _normalized(condition: Condition) -> Hashable:
    """Return a condition with standard outcomes and with its clauses as an unordered set."""
    match condition:
        case Comparison(key, literal, is_equal) if key in OUTCOME_KEYS:
            return Comparison(key, canonical_outcome(literal), is_equal)
        case Not(Comparison(key, literal, is_equal)):
            return _normalized(Comparison(key, literal, not is_equal))
        case AllOf(clauses) | AnyOf(clauses):
            return type(condition), frozenset(map(_normalized, clauses))
        case Not(clause):
            return Not, _normalized(clause)
        case _:
            return condition


def _stylesheet(text: str) -> Hashable:
    # The grammar of stylesheets is compiled on import; few comparisons need it.
    from attractor.language.declarations.stylesheet import read_stylesheet

    sheet, mistakes = read_stylesheet(text) if text.strip() else (None, ())
    if sheet is None or mistakes:
        return None
    declared = ({line.property: line.value for line in rule.declarations} for rule in sheet.rules)
    return tuple(
        (rule.kind, rule.name, frozenset(values.items()))
        for rule, values in zip(sheet.rules, declared, strict=True)
    )


_Read = Callable[[str], Hashable]
_BY_NAME: Mapping[str, _Read] = {
    "class": lambda text: frozenset(split_classes(text)),
    "condition": _condition,
    "manager.stop_condition": _condition,
    "model_stylesheet": _stylesheet,
}
_BY_TYPE: Mapping[AttributeType, _Read] = {
    AttributeType.INTEGER: parse_integer,
    AttributeType.NUMBER: read_number,
    AttributeType.DURATION: _duration,
}

Element = Graph | Node | Edge | Subgraph
"""An element of a graph that has attributes."""

GRAPH_DEFAULTS: Mapping[str, str] = {
    "fidelity": "default_fidelity",
    "max_retries": "default_max_retries",
    "max_visits": "max_node_visits",
    "on_failure": "on_failure",
    "reasoning_effort": "reasoning_effort",
    "retry_policy": "retry_policy",
}
"""The attributes of a graph that are defaults for its nodes, by the attribute of the node."""

# Defaults that describe a rule instead of a value.
_NO_VALUES = frozenset({"none", "derived"})


def effective_default(key: str, element: Element, graph: Graph) -> str | None:
    """Return the effective value of a missing attribute.

    The result is None if this value cannot be written as text.
    """
    match element:
        case Node():
            return _node_default(key, element, graph)
        case Edge() if key == "fidelity":
            target = graph.nodes[element.target]
            return target.attributes.text(key) or _node_default(key, target, graph)
        case _:
            return written_default(key)


def written_default(key: str) -> str | None:
    """Return the default of an attribute as text; None if the default cannot be written as text."""
    if key == "default_fidelity":
        return DEFAULT_FIDELITY.value
    if key == "max_node_visits":
        # Without it, stages that cost money have another limit than with its default.
        return None
    default = ATTRIBUTES[key].default
    return None if " " in default or default in _NO_VALUES else default


def _node_default(key: str, node: Node, graph: Graph) -> str | None:
    if key == "label":
        return node.id
    if key == "reasoning_effort" and graph.attributes.text("model_stylesheet"):
        return None
    if key == "max_visits" and not graph.attributes.text("max_node_visits"):
        return str(default_visits(graph, node))
    graph_key = GRAPH_DEFAULTS.get(key)
    if graph_key is None:
        return written_default(key)
    return graph.attributes.text(graph_key) or written_default(graph_key)


_OWNERS: Mapping[type, AttributeOwner] = {
    Graph: AttributeOwner.GRAPH,
    Node: AttributeOwner.NODE,
    Edge: AttributeOwner.EDGE,
}
_DEFAULT_KIND = {"shape": DEFAULT_SHAPE, "type": DEFAULT_TYPE}

NO_NEW_IDS: Mapping[str, str] = MappingProxyType({})
"""The mapping of new ids for graphs without renamed nodes."""


class EffectiveAttributes(NamedTuple):
    """The attributes of an element; `new_ids` maps node ids to their ids in a later graph."""

    element: Element
    graph: Graph
    new_ids: Mapping[str, str] = NO_NEW_IDS

    @property
    def attributes(self) -> Attributes:
        """The attributes as written in the text."""
        return self.element.attributes

    @property
    def content(self) -> frozenset[tuple[str, Hashable]]:
        """The normalized values of all attributes that differ from their defaults."""
        keys = {**self.attributes.by_key, **self._kind}
        return frozenset((key, self.meaning(key)) for key in keys if not self.is_default(key))

    def has(self, key: str) -> bool:
        """Return whether an attribute is explicit; every node has a shape and a type."""
        return key in self.attributes.by_key or key in self._kind

    def meaning(self, key: str) -> Hashable:
        """Return the normalized value of an attribute, equal for all spellings of the value."""
        if key in self._kind:
            return self._kind[key]
        value = self.attributes.value(key)
        if value is None or value.kind is ValueKind.TEMPLATE:
            return value
        text = str(value)
        known = self._known(key)
        if known and key in NAMING_KEYS:
            return self.new_ids.get(text, text)
        return meaning(text, known)

    def is_default(self, key: str) -> bool:
        """Return whether an attribute is set to its default value."""
        if key in self._kind:
            return self._kind[key] == _DEFAULT_KIND[key]
        known = self._known(key)
        if known is None:
            return False
        is_any_text = known.type is AttributeType.STRING and not known.choices
        if is_any_text and not self.attributes.text(key):
            return True
        default = effective_default(key, self.element, self.graph)
        return default is not None and self.meaning(key) == meaning(default, known)

    @property
    def _kind(self) -> Mapping[str, str]:
        # Shape and type follow from each other, for start and exit also from the id.
        node = self.element
        return {"shape": node.shape, "type": node.type} if isinstance(node, Node) else {}

    def _known(self, key: str) -> KnownAttribute | None:
        known, owner = ATTRIBUTES.get(key), _OWNERS.get(type(self.element))
        return known if known and owner in known.places else None


def diff(before: Graph, after: Graph) -> Difference:
    """Compare two graphs by their meaning.

    Attribute names of other tools, quotes and explicit default values are ignored.
    """
    before, after = _with_standard_names(before), _with_standard_names(after)
    new_ids = {id_: id_ for id_ in before.nodes} | dict(find_renamed(before, after))
    edges = compare_edges(before, after, new_ids)
    subgraphs = compare_subgraphs(before, after)
    old_ids = set(new_ids.values())
    removed = (node for id_, node in before.nodes.items() if new_ids[id_] not in after.nodes)
    changed: list[NodeChange] = []
    for id_, old in before.nodes.items():
        new = after.nodes.get(new_ids[id_])
        if new is not None:
            changes = attribute_changes(
                EffectiveAttributes(old, before, new_ids), EffectiveAttributes(new, after)
            )
            if changes or id_ != new.id:
                changed.append(NodeChange(old, new, changes))
    return Difference(
        name=(before.name, after.name) if before.name != after.name else None,
        attributes=attribute_changes(
            EffectiveAttributes(before, before, new_ids), EffectiveAttributes(after, after)
        ),
        added_nodes=tuple(node for id_, node in after.nodes.items() if id_ not in old_ids),
        removed_nodes=tuple(removed),
        changed_nodes=tuple(changed),
        added_edges=edges.added,
        removed_edges=edges.removed,
        changed_edges=edges.changed,
        moved_nodes=tuple(find_moved(before, after, new_ids)),
        added_subgraphs=subgraphs.added,
        removed_subgraphs=subgraphs.removed,
        changed_subgraphs=subgraphs.changed,
        reordered=tuple(find_reordered(before, after, new_ids)),
    )


def _with_standard_names(graph: Graph) -> Graph:
    return Aliases(TransformContext()).apply(graph)


def attribute_changes(
    before: EffectiveAttributes, after: EffectiveAttributes
) -> tuple[AttributeChange, ...]:
    """Return the attributes whose effective values changed, with both values as written."""
    old, new = before.attributes, after.attributes
    keys = (key for key in {**old.by_key, **new.by_key} if _has_changed(key, before, after))
    return tuple(AttributeChange(key, old.value(key), new.value(key)) for key in keys)


def _has_changed(key: str, before: EffectiveAttributes, after: EffectiveAttributes) -> bool:
    if not before.has(key):
        return not after.is_default(key)
    if not after.has(key):
        return not before.is_default(key)
    return before.meaning(key) != after.meaning(key)


class EdgeDifference(NamedTuple):
    """The changes between the edges of two graphs."""

    added: tuple[Edge, ...]
    removed: tuple[Edge, ...]
    changed: tuple[EdgeChange, ...]


class _ComparedEdge(NamedTuple):
    """An edge with its normalized attributes, and with the later ids of both ends."""

    edge: Edge
    source: str
    target: str
    attributes: EffectiveAttributes
    content: frozenset[tuple[str, Hashable]]


_Likeness = Callable[[_ComparedEdge], Hashable]

# From the most to the least similar pairs; edges that match in the first way are equal.
_LIKENESSES: Sequence[_Likeness] = (
    lambda edge: (edge.source, edge.target, edge.content),
    lambda edge: (edge.source, edge.target),
    lambda edge: (edge.source, edge.content),
    lambda edge: (edge.target, edge.content),
)


def compare_edges(before: Graph, after: Graph, new_ids: Mapping[str, str]) -> EdgeDifference:
    """Pair the edges of two graphs; `new_ids` maps the nodes of the earlier graph."""
    old = list(_compared(before, before.edges, new_ids))
    new = list(_compared(after, after.edges))
    changes: list[EdgeChange] = []
    for rank, likeness in enumerate(_LIKENESSES):
        old, new, pairs = _pair(old, new, likeness)
        for former, later in pairs if rank else ():
            changed = attribute_changes(former.attributes, later.attributes)
            is_rerouted = (former.source, former.target) != (later.source, later.target)
            # Equal values may be the default in one of the graphs only.
            if is_rerouted or changed:
                changes.append(EdgeChange(former.edge, later.edge, changed, is_rerouted))
    positions = {id(edge): position for position, edge in enumerate(after.edges)}
    changes.sort(key=lambda change: positions[id(change.after)])
    added = tuple(compared.edge for compared in new)
    return EdgeDifference(added, tuple(compared.edge for compared in old), tuple(changes))


def find_reordered(before: Graph, after: Graph, new_ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the nodes that have the same outgoing edges in another order."""
    for id_ in before.nodes:
        old = _compared(before, before.outgoing(id_), new_ids)
        new = _compared(after, after.outgoing(new_ids[id_]))
        edges, others = ([(edge.target, edge.content) for edge in side] for side in (old, new))
        if edges != others and Counter(edges) == Counter(others):
            yield new_ids[id_]


def _compared(
    graph: Graph, edges: Iterable[Edge], new_ids: Mapping[str, str] = NO_NEW_IDS
) -> Iterator[_ComparedEdge]:
    for edge in edges:
        source = new_ids.get(edge.source, edge.source)
        target = new_ids.get(edge.target, edge.target)
        attributes = EffectiveAttributes(edge, graph)
        yield _ComparedEdge(edge, source, target, attributes, attributes.content)


def _pair(
    old: Sequence[_ComparedEdge], new: Sequence[_ComparedEdge], likeness: _Likeness
) -> tuple[list[_ComparedEdge], list[_ComparedEdge], list[tuple[_ComparedEdge, _ComparedEdge]]]:
    """Return the unpaired edges of either side, and the pairs."""
    waiting: dict[Hashable, deque[_ComparedEdge]] = defaultdict(deque)
    for edge in old:
        waiting[likeness(edge)].append(edge)
    unpaired: list[_ComparedEdge] = []
    pairs: list[tuple[_ComparedEdge, _ComparedEdge]] = []
    for edge in new:
        candidates = waiting.get(likeness(edge))
        if candidates:
            pairs.append((candidates.popleft(), edge))
        else:
            unpaired.append(edge)
    paired = {id(before) for before, _ in pairs}
    return [edge for edge in old if id(edge) not in paired], unpaired, pairs


def find_renamed(before: Graph, after: Graph) -> Iterator[tuple[str, str]]:
    """Yield the old and the new id of each node that has the same content, but another id."""
    added: dict[Hashable, list[Node]] = defaultdict(list)
    for id_, node in after.nodes.items():
        if id_ not in before.nodes:
            added[EffectiveAttributes(node, after).content].append(node)
    for id_, node in before.nodes.items():
        # Other nodes cannot be recognized.
        has_own_content = node.type in ("start", "exit") or any(map(node.attributes.text, _WORDS))
        if id_ not in after.nodes and has_own_content:
            same = added.get(EffectiveAttributes(node, before).content, [])
            if len(same) == 1:
                yield id_, same.pop().id


_WORDS = ("prompt", "tool_command", "label")


class SubgraphDifference(NamedTuple):
    """The changes between the subgraphs of two graphs, by their ids."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[SubgraphChange, ...]


def compare_subgraphs(before: Graph, after: Graph) -> SubgraphDifference:
    """Pair subgraphs by id; pair subgraphs without an id in order."""
    old, new = _by_id(before), _by_id(after)
    changes = [
        SubgraphChange(
            subgraph.id,
            attribute_changes(
                EffectiveAttributes(subgraph, before), EffectiveAttributes(new[key], after)
            ),
        )
        for key, subgraph in old.items()
        if key in new
    ]
    return SubgraphDifference(
        tuple(subgraph.id for key, subgraph in new.items() if key not in old),
        tuple(subgraph.id for key, subgraph in old.items() if key not in new),
        tuple(change for change in changes if change.changes),
    )


def find_moved(before: Graph, after: Graph, new_ids: Mapping[str, str]) -> Iterator[NodeMove]:
    """Yield the nodes that moved to other subgraphs."""
    earlier, later = _parents(before), _parents(after)
    for id_ in before.nodes:
        if new_ids[id_] in after.nodes:
            old, new = earlier.get(id_, ()), later.get(new_ids[id_], ())
            if old != new:
                yield NodeMove(new_ids[id_], old, new)


def _by_id(graph: Graph) -> Mapping[tuple[str, int], Subgraph]:
    counts: dict[str, int] = defaultdict(int)
    by_id: dict[tuple[str, int], Subgraph] = {}
    for subgraph in graph.subgraphs:
        by_id[subgraph.id, counts[subgraph.id]] = subgraph
        counts[subgraph.id] += 1
    return by_id


def _parents(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """Return the subgraphs that directly contain each node, by id or (without an id) by label."""
    parents: dict[str, tuple[str, ...]] = {}
    for subgraph in graph.subgraphs:
        for id_ in subgraph.nodes:
            parents[id_] = (*parents.get(id_, ()), subgraph.id or subgraph.label)
    return parents

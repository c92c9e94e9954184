"""Compares two graphs.

How one graph differs from another.

Compares the edges of two graphs: the same, changed, leading elsewhere, added, removed.

Finds the nodes that are the same under another id.

Compares the subgraphs of two graphs, and where nodes stand in them.

How two pipelines differ, for programs: as JSON values.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.comparison.effective_values import SAME_NAMES, Saying
from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.graph.records import attributes_record, plain_value
from attractor.language.preparation.transform import TransformContext
from attractor.language.source.syntax_tree import Value
from attractor.language.transforms.aliases import Aliases


@dataclass(frozen=True)
class AttributeChange:
    """An attribute that is set, no longer set, or set to another value."""

    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class NodeChange:
    """A node that is another than it was: by its id, by its attributes, or by both."""

    before: Node
    after: Node
    changes: tuple[AttributeChange, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether its id is another."""
        return self.before.id != self.after.id


@dataclass(frozen=True)
class EdgeChange:
    """An edge that leads elsewhere than it did, or says something else."""

    before: Edge
    after: Edge
    changes: tuple[AttributeChange, ...] = ()
    is_rerouted: bool = False


@dataclass(frozen=True)
class NodeMove:
    """A node that stands in other subgraphs than before."""

    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class SubgraphChange:
    """A subgraph that says something else of itself."""

    id: str
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True)
class Difference:
    """All that differs between two graphs, in the order of the texts.

    `reordered` are nodes whose ways out are the same in another order: a person is offered them so.
    """

    name: tuple[str, str] | None = None
    attributes: tuple[AttributeChange, ...] = ()
    added_nodes: tuple[Node, ...] = ()
    removed_nodes: tuple[Node, ...] = ()
    changed_nodes: tuple[NodeChange, ...] = ()
    added_edges: tuple[Edge, ...] = ()
    removed_edges: tuple[Edge, ...] = ()
    changed_edges: tuple[EdgeChange, ...] = ()
    moved_nodes: tuple[NodeMove, ...] = ()
    added_subgraphs: tuple[str, ...] = ()
    removed_subgraphs: tuple[str, ...] = ()
    changed_subgraphs: tuple[SubgraphChange, ...] = ()
    reordered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Difference()


def attribute_changes(before: Saying, after: Saying) -> tuple[AttributeChange, ...]:
    """Return what one thing says otherwise than before, with the values as they are written."""
    old, new = before.attributes, after.attributes
    keys = (key for key in {**old.by_key, **new.by_key} if _differs(key, before, after))
    return tuple(AttributeChange(key, old.value(key), new.value(key)) for key in keys)


def _differs(key: str, before: Saying, after: Saying) -> bool:
    if not before.says(key):
        return not after.is_usual(key)
    if not after.says(key):
        return not before.is_usual(key)
    return before.meaning(key) != after.meaning(key)


class Edges(NamedTuple):
    """How the edges differ."""

    added: tuple[Edge, ...]
    removed: tuple[Edge, ...]
    changed: tuple[EdgeChange, ...]


class _Way(NamedTuple):
    """An edge, with the ids that its ends have in the later graph, and what it says."""

    edge: Edge
    source: str
    target: str
    saying: Saying
    says: frozenset[tuple[str, Hashable]]


_Likeness = Callable[[_Way], Hashable]
# From the closest likeness to the loosest one; the first of them is no difference.
_LIKENESSES: Sequence[_Likeness] = (
    lambda way: (way.source, way.target, way.says),
    lambda way: (way.source, way.target),
    lambda way: (way.source, way.says),
    lambda way: (way.target, way.says),
)


def compare_edges(before: Graph, after: Graph, now: Mapping[str, str]) -> Edges:
    """Pair the edges of two graphs; `now` says how the nodes of the earlier one are called."""
    old = list(_ways(before, before.edges, now))
    new = list(_ways(after, after.edges))
    changes: list[EdgeChange] = []
    for place, likeness in enumerate(_LIKENESSES):
        old, new, pairs = _pair(old, new, likeness)
        changes += filter(_is_told, (_change(*pair) for pair in pairs if place))
    places = {id(edge): place for place, edge in enumerate(after.edges)}
    changes.sort(key=lambda change: places[id(change.after)])
    added = tuple(way.edge for way in new)
    return Edges(added, tuple(way.edge for way in old), tuple(changes))


def find_reordered(before: Graph, after: Graph, now: Mapping[str, str]) -> Iterator[str]:
    """Yield the nodes whose ways out are the same ones in another order."""
    for id_ in before.nodes:
        old = _ways(before, before.outgoing(id_), now)
        new = _ways(after, after.outgoing(now[id_]))
        ways, others = ([(one.target, one.says) for one in several] for several in (old, new))
        if ways != others and Counter(ways) == Counter(others):
            yield now[id_]


def _ways(
    graph: Graph, edges: Iterable[Edge], now: Mapping[str, str] = SAME_NAMES
) -> Iterator[_Way]:
    for edge in edges:
        source, target = now.get(edge.source, edge.source), now.get(edge.target, edge.target)
        saying = Saying(edge, graph)
        yield _Way(edge, source, target, saying, saying.content)


def _change(old: _Way, new: _Way) -> EdgeChange:
    changes = attribute_changes(old.saying, new.saying)
    is_rerouted = (old.source, old.target) != (new.source, new.target)
    return EdgeChange(old.edge, new.edge, changes, is_rerouted)


def _is_told(change: EdgeChange) -> bool:
    # What is the same may be the usual thing in one of the graphs only.
    return change.is_rerouted or bool(change.changes)


def _pair(
    old: Sequence[_Way], new: Sequence[_Way], likeness: _Likeness
) -> tuple[list[_Way], list[_Way], list[tuple[_Way, _Way]]]:
    """Return what is left of either side, and the pairs."""
    waiting: dict[Hashable, deque[_Way]] = defaultdict(deque)
    for way in old:
        waiting[likeness(way)].append(way)
    left: list[_Way] = []
    pairs: list[tuple[_Way, _Way]] = []
    for way in new:
        like = waiting.get(likeness(way))
        if like:
            pairs.append((like.popleft(), way))
        else:
            left.append(way)
    paired = {id(before) for before, _ in pairs}
    return [way for way in old if id(way) not in paired], left, pairs


# Where so many come and go, nobody reads which might be which.
_MOST_COMPARISONS = 10_000
_ALIKE = 0.6
_WORDS = ("prompt", "tool_command", "label")


def find_renamed(before: Graph, after: Graph) -> Mapping[str, str]:
    """Return the new id of each node that has one.

    Nodes that say the very same are one node; of others those are that are most alike in what they
    say and in what is around them.
    """
    gone = [node for id_, node in before.nodes.items() if id_ not in after.nodes]
    come = [node for id_, node in after.nodes.items() if id_ not in before.nodes]
    renamed = dict(_saying_the_same(before, after, gone, come))
    gone = [node for node in gone if node.id not in renamed]
    taken = set(renamed.values())
    come = [node for node in come if node.id not in taken]
    if 0 < len(gone) * len(come) <= _MOST_COMPARISONS:
        renamed.update(_most_alike(before, after, gone, come))
    return renamed


def _saying_the_same(
    before: Graph, after: Graph, gone: Sequence[Node], come: Sequence[Node]
) -> Iterator[tuple[str, str]]:
    by_content: dict[Hashable, list[Node]] = defaultdict(list)
    for node in come:
        by_content[Saying(node, after).content].append(node)
    for node in gone:
        same = by_content.get(Saying(node, before).content, [])
        if _says_something(node) and len(same) == 1:
            yield node.id, same.pop().id


def _says_something(node: Node) -> bool:
    """Tell whether a node has words of its own; others are like many."""
    return node.type in ("start", "exit") or any(node.attributes.text(key) for key in _WORDS)


def _most_alike(
    before: Graph, after: Graph, gone: Sequence[Node], come: Sequence[Node]
) -> Iterator[tuple[str, str]]:
    olds = {node.id: _features(before, node) for node in gone}
    news = {node.id: _features(after, node) for node in come}
    pairs = sorted(
        ((_likeness(olds[old], news[new]), old, new) for old in olds for new in news), reverse=True
    )
    taken: set[str] = set()
    for likeness, old, new in pairs:
        if likeness >= _ALIKE and old in olds and new not in taken:
            taken.add(new)
            del olds[old]
            yield old, new


def _features(graph: Graph, node: Node) -> frozenset[Hashable]:
    """Return what a node says, where it comes from and where it leads."""
    ways = [("from", edge.source) for edge in graph.incoming(node.id)]
    ways += [("to", edge.target) for edge in graph.outgoing(node.id)]
    return frozenset([*Saying(node, graph).content, *ways])


def _likeness(one: frozenset[Hashable], other: frozenset[Hashable]) -> float:
    return len(one & other) / max(1, len(one | other))


class Subgraphs(NamedTuple):
    """How the subgraphs differ, by their ids."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[SubgraphChange, ...]


def compare_subgraphs(before: Graph, after: Graph) -> Subgraphs:
    """Pair subgraphs by their ids; those without one in their order."""
    old, new = _by_id(before), _by_id(after)
    changes = [
        SubgraphChange(one.id, attribute_changes(Saying(one, before), Saying(new[key], after)))
        for key, one in old.items()
        if key in new
    ]
    return Subgraphs(
        tuple(one.id for key, one in new.items() if key not in old),
        tuple(one.id for key, one in old.items() if key not in new),
        tuple(change for change in changes if change.changes),
    )


def find_moved(before: Graph, after: Graph, now: Mapping[str, str]) -> Iterator[NodeMove]:
    """Yield the nodes that stand in other subgraphs than before."""
    then, places = _places(before), _places(after)
    for id_ in before.nodes:
        if now[id_] in after.nodes:
            old, new = then.get(id_, ()), places.get(now[id_], ())
            if old != new:
                yield NodeMove(now[id_], old, new)


def _by_id(graph: Graph) -> Mapping[tuple[str, int], Subgraph]:
    met: dict[str, int] = defaultdict(int)
    found: dict[tuple[str, int], Subgraph] = {}
    for subgraph in graph.subgraphs:
        found[subgraph.id, met[subgraph.id]] = subgraph
        met[subgraph.id] += 1
    return found


def _places(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """Return the subgraphs that each node stands right in, by their ids, else their captions."""
    places: dict[str, tuple[str, ...]] = {}
    for subgraph in graph.subgraphs:
        for id_ in subgraph.nodes:
            places[id_] = (*places.get(id_, ()), subgraph.id or subgraph.label)
    return places


def diff(before: Graph, after: Graph) -> Difference:
    """Return how a graph differs in meaning from the one before it.

    Another tool's name, quotes, and a default that is written out make no difference.
    """
    before, after = _by_our_names(before), _by_our_names(after)
    renamed = find_renamed(before, after)
    now = {id_: renamed.get(id_, id_) for id_ in before.nodes}
    edges = compare_edges(before, after, now)
    subgraphs = compare_subgraphs(before, after)
    kept = set(now.values())
    removed = (node for id_, node in before.nodes.items() if now[id_] not in after.nodes)
    return Difference(
        name=(before.name, after.name) if before.name != after.name else None,
        attributes=attribute_changes(Saying(before, before, now), Saying(after, after)),
        added_nodes=tuple(node for id_, node in after.nodes.items() if id_ not in kept),
        removed_nodes=tuple(removed),
        changed_nodes=tuple(_changed_nodes(before, after, now)),
        added_edges=edges.added,
        removed_edges=edges.removed,
        changed_edges=edges.changed,
        moved_nodes=tuple(find_moved(before, after, now)),
        added_subgraphs=subgraphs.added,
        removed_subgraphs=subgraphs.removed,
        changed_subgraphs=subgraphs.changed,
        reordered=tuple(find_reordered(before, after, now)),
    )


def _by_our_names(graph: Graph) -> Graph:
    return Aliases(TransformContext()).apply(graph)


def _changed_nodes(before: Graph, after: Graph, now: Mapping[str, str]) -> Iterator[NodeChange]:
    for id_, old in before.nodes.items():
        new = after.nodes.get(now[id_])
        if new is not None:
            changes = attribute_changes(Saying(old, before, now), Saying(new, after))
            if changes or id_ != new.id:
                yield NodeChange(old, new, changes)


def difference_record(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON values."""
    return {
        "same": not difference,
        "name": _records_pair(*difference.name) if difference.name else None,
        "attributes": _changes(difference.attributes),
        "nodes": {
            "added": [_node(node) for node in difference.added_nodes],
            "removed": [_node(node) for node in difference.removed_nodes],
            "changed": [
                {
                    "id": change.after.id,
                    "renamed_from": change.before.id if change.is_renamed else None,
                    "attributes": _changes(change.changes),
                }
                for change in difference.changed_nodes
            ],
            "moved": [
                {"id": move.node, **_records_pair(list(move.before), list(move.after))}
                for move in difference.moved_nodes
            ],
        },
        "subgraphs": {
            "added": list(difference.added_subgraphs),
            "removed": list(difference.removed_subgraphs),
            "changed": [
                {"id": change.id, "attributes": _changes(change.changes)}
                for change in difference.changed_subgraphs
            ],
        },
        "edges": {
            "reordered": list(difference.reordered),
            "added": [_edge(edge) for edge in difference.added_edges],
            "removed": [_edge(edge) for edge in difference.removed_edges],
            "changed": [
                {
                    **_records_pair(_ends(change.before), _ends(change.after)),
                    "rerouted": change.is_rerouted,
                    "attributes": _changes(change.changes),
                }
                for change in difference.changed_edges
            ],
        },
    }


def _records_pair(before: object, after: object) -> dict[str, object]:
    return {"before": before, "after": after}


def _changes(changes: Iterable[AttributeChange]) -> list[dict[str, object]]:
    return [
        {"key": change.key, **_records_pair(_plain(change.before), _plain(change.after))}
        for change in changes
    ]


def _plain(value: Value | None) -> object:
    return None if value is None else plain_value(value)


def _node(node: Node) -> dict[str, object]:
    return {"id": node.id, "type": node.type, "attributes": attributes_record(node.attributes)}


def _edge(edge: Edge) -> dict[str, object]:
    return {**_ends(edge), "attributes": attributes_record(edge.attributes)}


def _ends(edge: Edge) -> dict[str, object]:
    return {"from": edge.source, "to": edge.target}

"""Compares the edges of two graphs: the same, changed, leading elsewhere, added, removed."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.language.diffing.differences import EdgeChange, attribute_changes
from attractor.language.diffing.saying import SAME_NAMES, Saying
from attractor.language.graph import Edge, Graph


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

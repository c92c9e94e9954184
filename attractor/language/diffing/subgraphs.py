"""Compares the subgraphs of two graphs, and where nodes stand in them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from attractor.language.diffing.differences import NodeMove, SubgraphChange, attribute_changes
from attractor.language.diffing.saying import Saying
from attractor.language.graph import Graph, Subgraph


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

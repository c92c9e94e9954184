"""Compares two graphs."""

from collections.abc import Iterator, Mapping

from attractor.language.diffing.differences import (
    Difference,
    NodeChange,
    attribute_changes,
)
from attractor.language.diffing.edges import compare_edges, find_reordered
from attractor.language.diffing.renaming import find_renamed
from attractor.language.diffing.saying import Saying
from attractor.language.diffing.subgraphs import compare_subgraphs, find_moved
from attractor.language.graph import Graph
from attractor.language.surroundings import Surroundings
from attractor.language.transforms.aliases import Aliases


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
    return Aliases(Surroundings()).apply(graph)


def _changed_nodes(before: Graph, after: Graph, now: Mapping[str, str]) -> Iterator[NodeChange]:
    for id_, old in before.nodes.items():
        new = after.nodes.get(now[id_])
        if new is not None:
            changes = attribute_changes(Saying(old, before, now), Saying(new, after))
            if changes or id_ != new.id:
                yield NodeChange(old, new, changes)

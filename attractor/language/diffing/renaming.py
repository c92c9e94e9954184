"""Finds the nodes that are the same under another id."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

from attractor.language.diffing.saying import Saying
from attractor.language.graph import Graph, Node

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

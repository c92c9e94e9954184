"""Loops of stages that cost money, and the default limit of visits."""

from collections.abc import Iterable, Iterator, Sequence

from attractor.language.graph.branches import FAN_IN, FORKS, Forks, is_restart
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.paths import failure_targets, loops, reached_from, targets

DEFAULT_VISITS = 100
DEFAULT_PAID_VISITS = 10

_PAID = frozenset({"codergen", "prompt", "pipeline", "stack.manager_loop"})


def costs_money(node: Node) -> bool:
    """Return whether a stage of a node asks a model, or runs a pipeline that may ask one."""
    return node.type in _PAID or (node.type == FAN_IN and bool(node.prompt.strip()))


def default_visits(graph: Graph, node: Node) -> int:
    """Return the limit of visits of a node if neither the node nor the graph sets one.

    The visits of a fork limit the rounds of the stages in its branches.
    """
    is_paid = costs_money(node)
    if not is_paid and node.type in FORKS:
        fork = Forks(graph).at(node.id)
        ends = [fork.meeting] if fork and fork.meeting else []
        inside = reached_from(targets(graph)(node.id), targets(graph), until=ends)
        is_paid = any(costs_money(graph.nodes[id_]) for id_ in inside if id_ in graph.nodes)
    return DEFAULT_PAID_VISITS if is_paid else DEFAULT_VISITS


def paid_loops(graph: Graph) -> Iterator[Sequence[str]]:
    """Yield the nodes of each loop with a stage that costs money."""
    yield from _paid(graph, graph.nodes)


def unbounded_paid_loops(graph: Graph) -> Iterator[Sequence[str]]:
    """Yield the nodes of each loop with a stage that costs money, and without a limit of visits."""
    if graph.attributes.number("max_node_visits") is None:
        unlimited = [
            node.id for node in graph.nodes.values() if node.attributes.number("max_visits") is None
        ]
        yield from _paid(graph, unlimited)


def _paid(graph: Graph, among: Iterable[str]) -> Iterator[Sequence[str]]:
    nodes = dict.fromkeys(among)

    def follow(node: str) -> Iterable[str]:
        # In the same run: a restart is another run.
        edges = (edge.target for edge in graph.outgoing(node) if not is_restart(edge))
        jumps = failure_targets(graph.nodes[node].attributes)
        return [target for target in (*edges, *jumps) if target in nodes]

    for loop in loops(nodes, follow):
        if any(costs_money(graph.nodes[id_]) for id_ in loop):
            yield loop

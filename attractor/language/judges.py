"""Finds the conditionals that judge nothing: they hand a failure on as if nothing had happened."""

from collections.abc import Iterable, Set

from attractor.language.graph import Graph

CONDITIONAL = "conditional"


def unasked_conditionals(graph: Graph, among: Iterable[str]) -> Set[str]:
    """Return those among some nodes behind which a stage comes before anybody asks for the outcome.

    A conditional with a single way out and no condition on it asks nothing; what it leads to may.
    Only as much of the graph is looked at as lies behind them.
    """
    is_unasked: dict[str, bool] = {}
    for node in among:
        at, passed = node, list[str]()
        while at not in is_unasked and (onward := _onward(graph, at)):
            # Unless the way comes back to it: round and round nobody asks either.
            is_unasked[at] = True
            passed.append(at)
            at = onward
        is_unasked.update(dict.fromkeys(passed, is_unasked.get(at, not is_conditional(graph, at))))
    return {node for node, one in is_unasked.items() if one}


def _onward(graph: Graph, node: str) -> str:
    """Return what a conditional that asks nothing leads to, or nothing."""
    edges = graph.outgoing(node)
    asks_nothing = len(edges) == 1 and not edges[0].is_conditional
    return edges[0].target if asks_nothing and is_conditional(graph, node) else ""


def is_conditional(graph: Graph, node: str) -> bool:
    """Tell whether a node hands on what the stage before it came to (ruling R1)."""
    return node in graph.nodes and graph.nodes[node].type == CONDITIONAL

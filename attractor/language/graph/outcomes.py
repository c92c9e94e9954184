"""Outcomes that can leave a node, and the edges that they can take."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from attractor.language.conditions.analysis import (
    could_hold,
)
from attractor.language.graph.graph import Edge, Graph, Node

SUCCESS, PARTIAL_SUCCESS, FAIL = "success", "partial_success", "fail"
_ENDS = {
    "start": (SUCCESS,),
    "exit": (SUCCESS,),
    "tool": (SUCCESS, FAIL),
    "wait": (SUCCESS, FAIL),
    "codergen": (SUCCESS, PARTIAL_SUCCESS, FAIL),
    "conditional": (SUCCESS, PARTIAL_SUCCESS, FAIL),
}
_ANY_END = (SUCCESS, PARTIAL_SUCCESS, FAIL, "skipped")


def possible_outcomes(graph: Graph, node: Node) -> Sequence[str]:
    """Return the outcomes that edges out of a node can meet.

    A conditional hands on the last stage's (ruling R1). A wish to try again is none of them: out of
    attempts it is a failure, or a partial success where `allow_partial` says so.
    """
    if node.type == "wait.human":
        is_partial = node.attributes.flag("allow_partial")
        return (SUCCESS, PARTIAL_SUCCESS, FAIL) if is_partial else (SUCCESS, FAIL)
    is_end = any(node.id == one.id for one in (*graph.starts, *graph.exits))
    return _ENDS["start"] if is_end else _ENDS.get(node.type, _ANY_END)


Choices = Mapping[tuple[str, str], Edge]
"""The edges that a person may choose, by label and target; equal ones are one choice."""


def human_gates(graph: Graph) -> Iterator[tuple[Node, Choices]]:
    """Yield every human gate with what it offers.

    An edge that a choice cannot take, such as the one after a failure, is not offered.
    """
    for node in graph.of_type("wait.human"):
        yield node, _offered(graph, node)


def _offered(graph: Graph, node: Node) -> Choices:
    choices: dict[tuple[str, str], Edge] = {}
    for edge in graph.outgoing(node.id):
        if not edge.is_conditional or could_hold(edge.condition, [SUCCESS]):
            choices.setdefault((edge.label.strip() or edge.target, edge.target), edge)
    return choices


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

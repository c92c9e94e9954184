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
    """Return the outcomes that the edges of a node see.

    A conditional passes on the outcome of the stage before it (ruling R1). `retry` is none of them:
    after the last attempt it is a failure, or a partial success with `allow_partial`.
    """
    if node.type == "wait.human":
        is_partial = node.attributes.flag("allow_partial")
        return (SUCCESS, PARTIAL_SUCCESS, FAIL) if is_partial else (SUCCESS, FAIL)
    is_end = any(node.id == one.id for one in (*graph.starts, *graph.exits))
    return _ENDS["start"] if is_end else _ENDS.get(node.type, _ANY_END)


Choices = Mapping[tuple[str, str], Edge]
"""The choices of a person: edges by label and target."""


def human_gates(graph: Graph) -> Iterator[tuple[Node, Choices]]:
    """Yield every human gate with its choices.

    An edge that needs another outcome than success is no choice.
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
    """Return the nodes that a stage follows before any condition checks the outcome.

    A conditional with a single, unconditional edge checks nothing; its target may. Only the graph
    behind the nodes is searched.
    """
    is_unasked: dict[str, bool] = {}
    for node in among:
        at, passed = node, list[str]()
        while at not in is_unasked and (onward := _onward(graph, at)):
            # A cycle of such conditionals checks nothing either.
            is_unasked[at] = True
            passed.append(at)
            at = onward
        is_unasked.update(dict.fromkeys(passed, is_unasked.get(at, not is_conditional(graph, at))))
    return {node for node, one in is_unasked.items() if one}


def _onward(graph: Graph, node: str) -> str:
    """Return the target of a conditional that checks nothing, or an empty text."""
    edges = graph.outgoing(node)
    asks_nothing = len(edges) == 1 and not edges[0].is_conditional
    return edges[0].target if asks_nothing and is_conditional(graph, node) else ""


def is_conditional(graph: Graph, node: str) -> bool:
    """Return whether a node passes on the outcome of the stage before it (ruling R1)."""
    return node in graph.nodes and graph.nodes[node].type == CONDITIONAL

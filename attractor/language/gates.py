"""What a person can choose at a human gate."""

from collections.abc import Mapping

from attractor.language.graph import Edge, Graph, Node
from attractor.language.possibilities import SUCCESS, could_hold

HUMAN_GATE = "wait.human"


def offered(graph: Graph, node: Node) -> Mapping[tuple[str, str], Edge]:
    """Return the edges that a person may choose, by label and target; equal ones are one choice.

    An edge that a choice cannot take, such as the one after a failure, is not offered.
    """
    choices: dict[tuple[str, str], Edge] = {}
    for edge in graph.outgoing(node.id):
        if not edge.is_conditional or could_hold(edge.condition, [SUCCESS]):
            choices.setdefault((edge.label.strip() or edge.target, edge.target), edge)
    return choices

"""What a person can choose at a human gate."""

from collections.abc import Iterator, Mapping

from attractor.language.graph import Edge, Graph, Node
from attractor.language.possibilities import SUCCESS, could_hold

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

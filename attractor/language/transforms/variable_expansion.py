"""Puts the goal of the graph in place of `$goal` in prompts (attractor-spec 9.2)."""

import re
from dataclasses import replace

from attractor.language.graph import Graph, Node
from attractor.language.values import Value

_GOAL = re.compile(r"\$goal\b")


class VariableExpansion:
    """Expands `$goal`; what it puts in is not looked at again."""

    order = 50

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with every prompt expanded."""
        expanded = {
            node.id: _expand(node, graph.goal)
            for node in graph.nodes.values()
            if _GOAL.search(node.prompt)
        }
        return replace(graph, nodes={**graph.nodes, **expanded}) if expanded else graph


def _expand(node: Node, goal: str) -> Node:
    prompt = node.attributes.value("prompt")
    assert prompt is not None
    text = _GOAL.sub(lambda _: goal, str(prompt))
    value = Value(prompt.kind, text, prompt.text, prompt.span)
    return replace(node, attributes=node.attributes.replaced("prompt", value))


part = VariableExpansion()

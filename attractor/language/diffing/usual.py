"""What holds where an attribute is not written: its default, or what the graph says instead."""

from collections.abc import Mapping

from attractor.language.attributes import ATTRIBUTES, DEFAULT_FIDELITY
from attractor.language.graph import Edge, Graph, Node, Subgraph

Thing = Graph | Node | Edge | Subgraph
"""What attributes stand on."""

# By which attribute the graph speaks for its nodes.
_BY_THE_GRAPH: Mapping[str, str] = {
    "fidelity": "default_fidelity",
    "max_retries": "default_max_retries",
    "max_visits": "max_node_visits",
    "on_failure": "on_failure",
    "reasoning_effort": "reasoning_effort",
    "retry_policy": "retry_policy",
}
# Where the table has words for a person instead of a value, no text says the same as none.
_NO_VALUES = frozenset({"none", "derived"})


def usual(key: str, thing: Thing, graph: Graph) -> str | None:
    """Return the text that says what holds without it, or None when no text does."""
    match thing:
        case Node():
            return _of_node(key, thing, graph)
        case Edge() if key == "fidelity":
            target = graph.nodes[thing.target]
            return target.attributes.text(key) or _of_node(key, target, graph)
        case _:
            return written_default(key)


def written_default(key: str) -> str | None:
    """Return the default of an attribute as it would be written, or None when it cannot be."""
    if key == "default_fidelity":
        return DEFAULT_FIDELITY.value
    default = ATTRIBUTES[key].default
    return None if " " in default or default in _NO_VALUES else default


def _of_node(key: str, node: Node, graph: Graph) -> str | None:
    if key == "label":
        return node.id
    if key == "reasoning_effort" and graph.attributes.text("model_stylesheet"):
        return None
    above = _BY_THE_GRAPH.get(key)
    return graph.attributes.text(above) or written_default(above) if above else written_default(key)

"""How much of what came before it a stage is told: the words of the pipeline, resolved."""

from attractor.language.attributes import DEFAULT_FIDELITY, FIDELITIES, Fidelity
from attractor.language.graph import Graph, Node


def resolve_fidelity(graph: Graph, node: Node | None, of_edge: str = "") -> Fidelity:
    """Return the fidelity of a stage: by its edge, its node, its graph (attractor-spec 5.4).

    A word that is none of the fidelities stands for the default, as `fidelity_valid` tells.
    """
    of_node = node.attributes.text("fidelity") if node else ""
    word = of_edge or of_node or graph.attributes.text("default_fidelity")
    return Fidelity(word) if word in FIDELITIES else DEFAULT_FIDELITY

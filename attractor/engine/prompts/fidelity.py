"""Chooses the fidelity and the thread of a stage (attractor-spec 5.4)."""

from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.language.graph.fidelity import DEFAULT_FIDELITY, Fidelity, resolve_fidelity
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.resolve import derived_class

DEGRADED = Fidelity.SUMMARY_HIGH
"""What takes the place of `full` where the conversation is lost (attractor-spec 5.3)."""


@dataclass(frozen=True)
class Arrival:
    """How a walk came to a stage: over an edge that may say something, and from where.

    `previous` is the node before it, and `thread` the one that the last stage with a model was in.
    """

    previous: str = ""
    thread: str = ""
    edge_fidelity: str = ""
    edge_thread: str = ""


@dataclass(frozen=True)
class Resolved:
    """How much a stage is told, and its thread; `full` alone has one."""

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: str = ""


def resolve(graph: Graph, node: Node, arrival: Arrival, around: Mapping[str, str]) -> Resolved:
    """Return what holds for a stage; `around` has the class of the subgraph around each node."""
    fidelity = resolve_fidelity(graph, node, arrival.edge_fidelity)
    if fidelity is not Fidelity.FULL:
        return Resolved(fidelity)
    return Resolved(fidelity, resolve_thread(graph, node, arrival, around))


def resolve_thread(graph: Graph, node: Node, arrival: Arrival, around: Mapping[str, str]) -> str:
    """Return the thread of a stage: its node's, its edge's, the graph's, or a derived one.

    Where nothing names one, the thread of the stage before it goes on; when that had none, one by
    the name of the node before it begins.
    """
    return (
        node.attributes.text("thread_id")
        or arrival.edge_thread
        or graph.attributes.text("thread_id")
        or around.get(node.id)
        or arrival.thread
        or arrival.previous
        or node.id
    )


def subgraph_classes(graph: Graph) -> Mapping[str, str]:
    """Return the class that the nearest subgraph with a label gives each node within it."""
    classes: list[str] = []
    around: dict[str, str] = {}
    for subgraph in graph.subgraphs:
        above = classes[subgraph.parent] if subgraph.parent >= 0 else ""
        classes.append(derived_class(subgraph.label) or above)
        if classes[-1]:
            around.update(dict.fromkeys(subgraph.nodes, classes[-1]))
    return around

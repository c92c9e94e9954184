"""Chooses the fidelity and the thread of a stage (attractor-spec 5.4)."""

from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.language.graph.fidelity import DEFAULT_FIDELITY, Fidelity, resolve_fidelity
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.resolve import derived_class

DEGRADED = Fidelity.SUMMARY_HIGH
"""The fidelity that replaces `full` if the conversation is lost (attractor-spec 5.3)."""


@dataclass(frozen=True)
class StageArrival:
    """How a walk arrived at a stage: the edge, and the stages before.

    `previous` is the node before, `thread` the thread of the last stage that used a model.
    """

    previous: str = ""
    thread: str = ""
    edge_fidelity: str = ""
    edge_thread: str = ""


@dataclass(frozen=True)
class StageFidelity:
    """The fidelity of a stage, and under `full` its thread."""

    fidelity: Fidelity = DEFAULT_FIDELITY
    thread: str = ""


def resolve(
    graph: Graph, node: Node, arrival: StageArrival, around: Mapping[str, str]
) -> StageFidelity:
    """Return the fidelity and the thread of a stage.

    `around` has the subgraph class of each node.
    """
    fidelity = resolve_fidelity(graph, node, arrival.edge_fidelity)
    if fidelity is not Fidelity.FULL:
        return StageFidelity(fidelity)
    return StageFidelity(fidelity, resolve_thread(graph, node, arrival, around))


def resolve_thread(
    graph: Graph, node: Node, arrival: StageArrival, around: Mapping[str, str]
) -> str:
    """Return the thread of a stage: of its node, its edge, the graph, or a derived one.

    Without a name, the thread of the stage before continues; without one, a new thread is named
    after the node before.
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
    """Return the class that the nearest labelled subgraph gives to each of its nodes."""
    classes: list[str] = []
    around: dict[str, str] = {}
    for subgraph in graph.subgraphs:
        outer = classes[subgraph.parent] if subgraph.parent >= 0 else ""
        classes.append(derived_class(subgraph.label) or outer)
        if classes[-1]:
            around.update(dict.fromkeys(subgraph.nodes, classes[-1]))
    return around

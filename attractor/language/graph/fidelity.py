"""Fidelity: how much of the earlier conversation a stage receives (attractor-spec 5.4)."""

from enum import StrEnum

from attractor.language.graph.attribute_catalogue import AttributeType as AttributeType
from attractor.language.graph.attribute_catalogue import KnownAttribute as KnownAttribute
from attractor.language.graph.graph import Graph, Node


class Fidelity(StrEnum):
    """How much of the earlier conversation a stage receives (attractor-spec 5.4)."""

    FULL = "full"
    TRUNCATE = "truncate"
    COMPACT = "compact"
    SUMMARY_LOW = "summary:low"
    SUMMARY_MEDIUM = "summary:medium"
    SUMMARY_HIGH = "summary:high"


FIDELITIES = tuple(Fidelity)
"""All fidelities."""

DEFAULT_FIDELITY = Fidelity.COMPACT
"""The fidelity of a stage without one."""


def resolve_fidelity(graph: Graph, node: Node | None, of_edge: str = "") -> Fidelity:
    """Return the fidelity of a stage: from its edge, its node or its graph (attractor-spec 5.4).

    An unknown fidelity becomes the default; the rule `fidelity_valid` reports it.
    """
    of_node = node.attributes.text("fidelity") if node else ""
    word = of_edge or of_node or graph.attributes.text("default_fidelity")
    return Fidelity(word) if word in FIDELITIES else DEFAULT_FIDELITY

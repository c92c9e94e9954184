"""Whether a stage fails in the same way again and again: then going round once more is no help."""

import re

from attractor.language.graph import Graph, Node

LONGEST = 200
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|[0-9]+")


def signature(reason: str) -> str:
    """Return a failure's reason without what differs from time to time: numbers, ids, blanks."""
    return " ".join(_VARYING.sub("#", reason.casefold()).split())[:LONGEST]


def alike_limit(graph: Graph, node: Node) -> int | None:
    """Return how often in a row a stage may fail in the same way; None is as often as it likes."""
    own = node.attributes.number("max_same_failures")
    return graph.attributes.number("max_same_failures") if own is None else own

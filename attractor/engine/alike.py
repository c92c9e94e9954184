"""Whether a stage fails in the same way again and again: then going round once more is no help."""

import re

from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import Graph, Node

LONGEST = 200
TRIED_OUT = "max retries exceeded"
"""What stands before the reason of a stage that wants to be tried again once too often."""
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|[0-9]+")


@dataclass(frozen=True)
class Streak:
    """How often in a row a stage failed in the same way, over visits and attempts together."""

    failure: str = ""
    alike: int = 0

    def and_then(self, failure: str) -> "Streak":
        """Return the streak with one more failure, by its signature."""
        return Streak(failure, self.alike + 1 if failure == self.failure else 1)


NO_STREAK = Streak()


def signature(reason: str) -> str:
    """Return a failure's reason without what differs from time to time: numbers, ids, blanks."""
    reason = reason.removeprefix(f"{TRIED_OUT}: ")
    return " ".join(_VARYING.sub("#", reason.casefold()).split())[:LONGEST]


def alike_limit(graph: Graph, node: Node) -> int | None:
    """Return how often in a row a stage may fail in the same way; None is as often as it likes."""
    own = node.attributes.number("max_same_failures")
    return graph.attributes.number("max_same_failures") if own is None else own

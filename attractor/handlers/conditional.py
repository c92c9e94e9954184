"""A branching point that does nothing.

The engine selects an edge by the conditions on the edges.
"""

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage


@dataclass(frozen=True)
class Conditional:
    """Succeeds, and leaves the routing to the engine (attractor-spec 4.7)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed without a preferred label."""
        return success(f"Conditional node evaluated: {stage.node.id}")


part = Conditional

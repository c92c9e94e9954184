"""The exit of a pipeline, which does nothing.

The engine checks the goal gates before the exit.
"""

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage


@dataclass(frozen=True)
class Exit:
    """Succeeds (attractor-spec 4.4)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed."""
        return success()


part = Exit

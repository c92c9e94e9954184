"""The exit of a pipeline, which does nothing; the engine checks the goal gates before it."""

from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Parts, Stage
from attractor.engine.outcome import Outcome, success


@dataclass(frozen=True)
class Exit:
    """Succeeds at once (attractor-spec 4.4)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed."""
        return success()


part = Exit

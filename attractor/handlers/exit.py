"""The exit of a pipeline, which does nothing; the engine checks the goal gates before it."""

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage


@dataclass(frozen=True)
class Exit:
    """Succeeds at once (attractor-spec 4.4)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed."""
        return success()


part = Exit

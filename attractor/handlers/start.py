"""The start of a pipeline, which does nothing."""

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage


@dataclass(frozen=True)
class Start:
    """Succeeds (attractor-spec 4.3)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed."""
        return success()


part = Start

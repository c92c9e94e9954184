"""The entry of a pipeline, which does nothing."""

from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Parts, Stage
from attractor.engine.outcome import Outcome, success


@dataclass(frozen=True)
class Start:
    """Succeeds at once (attractor-spec 4.3)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Succeed."""
        return success()


part = Start

"""Simulates every stage without a model, with given outcomes (default: success)."""

from attractor.backends.registry import BackendParts
from attractor.base.dataclasses import dataclass
from attractor.engine.journal.events import THREAD_CONTINUED
from attractor.engine.outcome import Outcome
from attractor.engine.seams import ModelAnswer, Stage


@dataclass(frozen=True)
class Simulate:
    """Returns simulated responses and changes nothing (attractor-spec 4.5)."""

    parts: BackendParts

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Return the configured outcome of this visit, otherwise a simulated response."""
        _take_part(stage)
        text = f"[Simulated] Response for stage: {stage.node.id}"
        outcome = self.parts.simulate.at(stage.node.id, stage.visit)
        if outcome is None:
            return text
        stage.files.write("response.md", text)
        return outcome

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Return the configured outcome of this visit, otherwise a simulated response."""
        result = await self.run(stage, prompt)
        return ModelAnswer(result) if isinstance(result, str) else result

    async def steer(self, stage_id: str, text: str) -> bool:
        """Return False: nothing is running."""
        return False


@dataclass(frozen=True)
class _SimulatedConversation:
    """A simulated conversation: the number of stages, and the last stage."""

    stages: int
    last: str


def _take_part(stage: Stage) -> None:
    """Continue or begin the conversation of a stage's thread."""
    thread = stage.inherited.thread
    if thread is None:
        return
    before = thread.recall()
    count = before.stages if isinstance(before, _SimulatedConversation) else 0
    if isinstance(before, _SimulatedConversation):
        stage.emit(THREAD_CONTINUED, thread=thread.name, stages=count, last=before.last)
    thread.keep(_SimulatedConversation(count + 1, stage.id))


part = Simulate

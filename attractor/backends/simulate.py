"""Works without any model: every stage ends as it was told to, or well."""

from attractor.backends.registry import BackendParts
from attractor.base.dataclasses import dataclass
from attractor.engine.journal.events import THREAD_CONTINUED
from attractor.engine.outcome import Outcome
from attractor.engine.seams import ModelAnswer, Stage


@dataclass(frozen=True)
class Simulate:
    """Says that it simulates, and touches nothing (attractor-spec 4.5)."""

    parts: BackendParts

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Return the outcome the stage was given for this visit, else a text."""
        _take_part(stage)
        text = f"[Simulated] Response for stage: {stage.node.id}"
        outcome = self.parts.simulate.at(stage.node.id, stage.visit)
        if outcome is None:
            return text
        stage.files.write("response.md", text)
        return outcome

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Return the outcome the stage was given for this visit, else a text."""
        said = await self.run(stage, prompt)
        return ModelAnswer(said) if isinstance(said, str) else said

    async def steer(self, stage_id: str, text: str) -> bool:
        """Take no words: nobody is at work."""
        return False


@dataclass(frozen=True)
class _Spoken:
    """A conversation in which nothing was said: how many stages took part, and which was last."""

    stages: int
    last: str


def _take_part(stage: Stage) -> None:
    """Note that a stage goes on with the conversation of its thread, or that it begins one."""
    thread = stage.inherited.thread
    if thread is None:
        return
    before = thread.recall()
    count = before.stages if isinstance(before, _Spoken) else 0
    if isinstance(before, _Spoken):
        stage.emit(THREAD_CONTINUED, thread=thread.name, stages=count, last=before.last)
    thread.keep(_Spoken(count + 1, stage.id))


part = Simulate

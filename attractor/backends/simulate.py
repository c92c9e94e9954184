"""Works without any model: every stage ends as it was told to, or well."""

from dataclasses import dataclass

from attractor.backends.parts import BackendParts
from attractor.engine.outcome import Outcome
from attractor.engine.seams import Said, Stage


@dataclass(frozen=True)
class Simulate:
    """Says that it simulates, and touches nothing (attractor-spec 4.5)."""

    parts: BackendParts

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Return the outcome the stage was given for this visit, else a text."""
        text = f"[Simulated] Response for stage: {stage.node.id}"
        outcome = self.parts.simulate.at(stage.node.id, stage.visit)
        if outcome is None:
            return text
        stage.files.write("response.md", text)
        return outcome

    async def answer(self, stage: Stage, prompt: str) -> Said | Outcome:
        """Return the outcome the stage was given for this visit, else a text."""
        said = await self.run(stage, prompt)
        return Said(said) if isinstance(said, str) else said

    async def steer(self, stage_id: str, text: str) -> bool:
        """Take no words: nobody is at work."""
        return False


part = Simulate

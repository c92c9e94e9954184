"""Asks a model once; the model answers in text, without tools."""

from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import TemplateFailed
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.prompts.preamble import prepend_preamble
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Parts, Stage
from attractor.engine.truncation import response_updates
from attractor.handlers.codergen import write_prompt


@dataclass(frozen=True)
class Prompt:
    """Lets the backend answer a prompt once, without access to files."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Ask the model, and write the prompt and the response to files."""
        try:
            prompt = write_prompt(stage, self.parts.inputs)
        except TemplateFailed as error:
            return failure(str(error), FailureClass.PIPELINE)
        prompt = prepend_preamble(stage.inherited.preamble, prompt)
        stage.files.write("prompt.md", prompt)
        answer = await self.parts.backend.answer(stage, prompt)
        if isinstance(answer, Outcome):
            return answer
        stage.files.write("response.md", answer.text)
        # A text is no verdict, from a model or a person (ruling R4).
        if wants_verdict(stage.graph, stage.node):
            return replace(failure("no_verdict", FailureClass.VERDICT), usage=answer.usage)
        updates = response_updates(stage.node.id, answer.text)
        return replace(success(f"Answered: {stage.node.id}", **updates), usage=answer.usage)


part = Prompt

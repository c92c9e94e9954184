"""Asks a model once; the model answers in text, without tools."""

from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import TemplateFailed
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.prompts.preamble import prepend_preamble
from attractor.engine.seams import Parts, Stage
from attractor.handlers.codergen import judge_text, write_prompt


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
        return replace(judge_text(stage, answer.text), usage=answer.usage)


part = Prompt

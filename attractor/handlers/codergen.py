"""A task for an agent or a model: the backend does what the prompt says."""

import re
from collections.abc import Mapping

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import TemplateFailed
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, success
from attractor.engine.prompts.preamble import put_before
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Parts, Stage
from attractor.engine.truncation import response_updates
from attractor.language.source.syntax_tree import ValueKind

NO_INPUTS: Mapping[str, str] = {}
_GOAL = re.compile(r"\$goal\b")


@dataclass(frozen=True)
class Codergen:
    """Hands the prompt to the backend, and keeps what was asked and answered (attractor-spec 4.5).

    What went before stands in front of the prompt, as the fidelity asks (attractor-spec 5.4, 9.2).
    A backend that returns an outcome has said everything itself, and writes its own response.md.
    """

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Let the backend work; text alone from it is a success."""
        try:
            prompt = write_prompt(stage, self.parts.inputs)
        except TemplateFailed as error:
            return Outcome(
                StageStatus.FAIL,
                failure_reason=str(error),
                failure_class=FailureClass.PIPELINE,
            )
        prompt = put_before(stage.inherited.preamble, prompt)
        stage.files.write("prompt.md", prompt)
        result = await self.parts.backend.run(stage, prompt)
        if isinstance(result, Outcome):
            return result
        stage.files.write("response.md", result)
        if wants_verdict(stage.graph, stage.node):
            return _no_verdict(stage)
        return _success(stage, result)


def write_prompt(stage: Stage, inputs: Mapping[str, str] = NO_INPUTS) -> str:
    """Return the node's prompt, or its label when it has none, with the goal put in once."""
    node, goal = stage.node, stage.graph.goal
    value = node.attributes.value("prompt")
    if value is not None and value.kind is ValueKind.TEMPLATE:
        values = stage.context.snapshot()
        # Imported here: few callers need it.
        from attractor.engine.prompts.templates import render_prompt

        return render_prompt(str(value), goal=goal, inputs=inputs, context=values)
    if not node.prompt.strip():
        return _put_in(goal, node.label)
    # A graph that was prepared (attractor-spec 9.2) has the goal in its prompts already: what is
    # left of `$goal` there are the goal's own words.
    return node.prompt if _GOAL.search(goal) else _put_in(goal, node.prompt)


def _put_in(goal: str, text: str) -> str:
    return _GOAL.sub(lambda _: goal, text)


def _no_verdict(stage: Stage) -> Outcome:
    return Outcome(
        StageStatus.FAIL,
        failure_reason="no_verdict",
        failure_class=FailureClass.VERDICT,
        notes=f"The backend answered the goal gate {stage.node.id} with text and no outcome",
    )


def _success(stage: Stage, response: str) -> Outcome:
    updates = response_updates(stage.node.id, response)
    return success(f"Stage completed: {stage.node.id}", **updates)


part = Codergen

"""Runs a task for an agent or a model: a backend executes the prompt of the node."""

from collections.abc import Mapping
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.errors import TemplateFailed
from attractor.engine.journal.events import OUTCOME_ASSUMED
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.prompts.last_attempt import add_last_attempt
from attractor.engine.prompts.preamble import prepend_preamble
from attractor.engine.receipts import add_receipt_note, receipt_command
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Parts, Stage
from attractor.engine.stage.commands import find_input_fault, require_receipt
from attractor.engine.truncation import response_updates
from attractor.language.source.syntax_tree import ValueKind

NO_INPUTS: Mapping[str, str] = {}
_GOAL = late_pattern(r"\$goal\b")


@dataclass(frozen=True)
class Codergen:
    """Passes the prompt to the backend, and writes prompt and response (attractor-spec 4.5).

    The preamble, whose length depends on the fidelity, precedes the prompt (attractor-spec 5.4,
    9.2). A backend that returns an outcome writes response.md itself.
    """

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Run the backend; if the backend only returns text, the stage succeeds.

        A success of a stage with a `receipt` needs the command to end with 0.
        """
        try:
            asked = write_prompt(stage, self.parts.inputs)
        except TemplateFailed as error:
            return failure(str(error), FailureClass.PIPELINE)
        prompt = prepend_preamble(stage.inherited.preamble, asked)
        if command := receipt_command(stage.node):
            takes_receipt = self.parts.takes_receipts(stage.node)
            # Before the agent is paid: its command gets the inputs as variables.
            if takes_receipt and (fault := find_input_fault(self.parts.inputs)):
                return failure(fault, FailureClass.PIPELINE)
            prompt = add_receipt_note(prompt, command)
        if self.parts.memory and (lessons := self.parts.memory.recall(stage, asked)):
            prompt = f"{prompt}\n\n{lessons}"
        prompt = f"{prompt}\n\n{self.parts.task_note}" if self.parts.task_note else prompt
        stage.files.write("prompt.md", prompt)
        result = await self.parts.backend.run(stage, prompt)
        if not isinstance(result, Outcome):
            stage.files.write("response.md", result)
            result = judge_text(stage, result)
        return await require_receipt(stage, result, self.parts)


def write_prompt(stage: Stage, inputs: Mapping[str, str] = NO_INPUTS) -> str:
    """Return the prompt of a node, in a further attempt with the end of the last attempt."""
    return add_last_attempt(_prompt_of_node(stage, inputs), stage.last_attempt)


def _prompt_of_node(stage: Stage, inputs: Mapping[str, str]) -> str:
    """Return the prompt of a node (default: the label), with `$goal` replaced in one pass."""
    node, goal = stage.node, stage.graph.goal
    value = node.attributes.value("prompt")
    if value is not None and value.kind is ValueKind.TEMPLATE:
        values = stage.context.snapshot()
        # Imported here: Jinja2 is slow to load, and few prompts are templates.
        from attractor.engine.prompts.templates import render_prompt

        return render_prompt(str(value), goal=goal, inputs=inputs, context=values)
    if not node.prompt.strip():
        return _put_in(goal, node.label)
    # A prepared graph (attractor-spec 9.2) has goal and inputs in its prompts: a remaining `$goal`
    # is part of them, such as of the text of an issue.
    is_inserted = any(_GOAL.search(text) for text in (goal, *inputs.values()))
    return node.prompt if is_inserted else _put_in(goal, node.prompt)


def _put_in(goal: str, text: str) -> str:
    return _GOAL.sub(lambda _: goal, text)


def judge_text(stage: Stage, text: str) -> Outcome:
    """Return the outcome of a stage that answered with text: a success (attractor-spec 4.5).

    Where a verdict is required, text fails (ruling R4). At another goal gate, its success is marked
    as assumed.
    """
    node = stage.node
    if wants_verdict(stage.graph, node):
        failed = failure("no_verdict", FailureClass.VERDICT)
        return replace(failed, notes=f"Text answered {node.id}, which requires a verdict")
    if node.is_goal_gate and not node.attributes.flag("auto_status"):
        stage.emit(OUTCOME_ASSUMED, reason="text answered a goal gate", outcome="success")
    return success(f"Stage completed: {node.id}", **response_updates(node.id, text))


part = Codergen

"""Asks a model for a JSON object, and sends a wrong answer back twice.

A command asks here, outside of a run (ruling G4: two repairs). Agents of the crew are stages of a
run, so `crew/contract.py` asks them by the backend of their node, and sends a wrong answer back
once.

The data come from users and apps, so they can contain instructions to the model. They are fenced by
a random marker. The model gets no tools, and its answer is only used if it matches the schema and
passes the check of the caller.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Generic, TypeVar

from attractor.backends.models import ModelChoice, choose_ready
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.fenced import fenced
from attractor.base.json import JsonObject, content_hash
from attractor.engine.truncation import one_line
from attractor.growth.errors import InvalidDesire, ModelAnswerRefused
from attractor.growth.plain_text import hidden_in
from attractor.llm.errors import NoObjectGeneratedError
from attractor.llm.generation.objects import read_object
from attractor.llm.generation.text import generate
from attractor.llm.messages import Message
from attractor.llm.request import ResponseFormat
from attractor.llm.response import GenerateResult, price_call
from attractor.pipeline.components.models import open_client
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope

T = TypeVar("T")

MOST_ANSWERS = 3
"""The most answers of a model to one question: an answer, and two repairs."""

_MARKER_BYTES = 16
_LONGEST_FAULT = 2000
_FENCE = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class ModelAnswer(Generic[T]):
    """A checked answer, with the model and the hash of its instruction."""

    value: T
    model: str
    prompt_hash: str


async def ask_model(
    project: Project,
    instruction: str,
    data: Mapping[str, str],
    schema: JsonObject,
    read: Callable[[JsonObject], T],
    *,
    purpose: str,
) -> ModelAnswer[T]:
    """Ask the model of the settings, and return its answer after `read`.

    A fault that the schema or `read` finds goes back to the model, twice. After that, raise
    ModelAnswerRefused. `purpose` names the work in messages, such as "the specification".
    """
    choice = await choose_ready(
        project.llm.model if project.llm else "",
        project.llm.provider if project.llm else "",
        project.machine.environ,
        user=purpose,
        hint="set llm.model; 'attractor doctor' lists the keys that are set, 'attractor models' "
        "the models",
    )
    for name, text in data.items():
        # A model would obey what the reviewer does not see.
        for hidden in hidden_in(text):
            hint = "name the node: attractor spec show; a plan with the morph rename cleans it"
            raise InvalidDesire(f"{name}: {hidden}", hint=hint)
    marker = secrets.token_hex(_MARKER_BYTES)
    system = f"{instruction.strip()}\n\n{_FENCE.read_text('utf-8').format(marker=marker)}"
    conversation = [Message.system(system), Message.user(fenced(data, marker))]
    fault = ""
    async with AsyncExitStack() as stack:
        client = await open_client(RunScope.of(project), stack)
        for number in range(1, MOST_ANSWERS + 1):
            result = await generate(
                choice.model,
                messages=conversation,
                response_format=ResponseFormat("json_schema", schema, strict=True),
                provider=choice.provider,
                client=client,
            )
            try:
                value = read(read_object(result, schema).output)
            except (NoObjectGeneratedError, AttractorError) as error:
                fault = one_line(_words(error), _LONGEST_FAULT)
                project.console.tell(
                    f"answer {number} of {MOST_ANSWERS}: {fault} ({_price(result, choice)})"
                )
                conversation.append(Message.assistant(result.text or "(no text)"))
                words = f"Invalid answer: {fault}. Answer with the complete corrected object."
                conversation.append(Message.user(words))
                continue
            project.console.tell(
                f"answer {number} of {MOST_ANSWERS}: valid ({_price(result, choice)})"
            )
            return ModelAnswer(value, choice.model, content_hash(instruction.encode()))
    raise ModelAnswerRefused(
        f"the model gave no valid answer for {purpose} in {MOST_ANSWERS} rounds: {fault}"
    )


def _words(error: NoObjectGeneratedError | AttractorError) -> str:
    return error.message if isinstance(error, NoObjectGeneratedError) else error.in_one_line


def _price(result: GenerateResult, choice: ModelChoice) -> str:
    response = result.response
    price = price_call(response.usage, response.provider, (response.model, choice.model))
    cost = "unknown cost" if price.cost_usd is None else f"${price.cost_usd:.4f}"
    return f"{cost}, {response.usage.total_tokens:,} tokens"

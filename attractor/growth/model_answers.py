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
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from attractor.backends.models import ModelChoice, choose_ready
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.fenced import fenced
from attractor.base.json import JsonObject, content_hash
from attractor.config.settings import LlmSettings
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
from attractor.pipeline.components.providers import ask_providers
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


HOW_TO_CHOOSE = "pass --model MODEL ('attractor models' lists them), or set llm.model"
_BY_SETTING = (
    "set llm.model; 'attractor doctor' lists the keys that are set, 'attractor models' the models"
)


def with_model(project: Project, model: str, provider: str) -> Project:
    """Return the project with another default model, if a model or a provider is named."""
    if not (model or provider):
        return project
    others = vars(project.llm or LlmSettings())
    values: dict[str, Any] = {**others, "model": model, "provider": provider}
    return replace(project, llm=LlmSettings(**values))


async def _choose(project: Project, *, purpose: str, hint: str) -> ModelChoice:
    return await choose_ready(
        project.llm.model if project.llm else "",
        project.llm.provider if project.llm else "",
        project.machine.environ,
        user=purpose,
        hint=hint,
    )


async def try_model(project: Project, *, purpose: str, hint: str = HOW_TO_CHOOSE) -> ModelChoice:
    """Return the model of the settings after its key was tried, which costs nothing."""
    choice = await _choose(project, purpose=purpose, hint=hint)
    if fault := (await ask_providers([choice.provider], project)).fault:
        raise UsageError(f"{purpose}: {fault}", hint="'attractor doctor' lists the keys")
    return choice


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
    for name, text in data.items():
        # A model would obey what the reviewer does not see.
        for hidden in hidden_in(text):
            hint = "name the node: attractor spec show; a plan with the morph rename cleans it"
            raise InvalidDesire(f"{name}: {hidden}", hint=hint)
    choice = await _choose(project, purpose=purpose, hint=_BY_SETTING)
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

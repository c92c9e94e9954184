"""Asks a model to judge evidence by a rubric.

The evidence comes from the candidate, so it can contain instructions to the judge. It is fenced by
a random marker, the answer must match a schema, and a manipulation that the judge reports scores 0.
"""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attractor.backends.models import choose_ready
from attractor.base.dataclasses import dataclass
from attractor.base.errors import first_sentence
from attractor.engine.outcome import Culprit
from attractor.engine.truncation import one_line
from attractor.llm.client import Client
from attractor.llm.errors import (
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    NoObjectGeneratedError,
    SDKError,
)
from attractor.llm.generation.objects import read_object
from attractor.llm.generation.text import generate
from attractor.llm.messages import Message
from attractor.llm.request import ResponseFormat
from attractor.llm.response import GenerateResult, price_call
from attractor.pipeline.components.models import open_client
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.check import JudgeQuestion, JudgeVerdict, JudgeVote, Unjudged
from attractor.scenarios.evaluation import TrialTrouble
from attractor.scenarios.suite import JudgeSettings

_PROMPT = Path(__file__).with_suffix(".md")
_MARKER_BYTES = 16
_LONGEST_REASON = 500
_LONGEST_TEXT = 2000
# Evidence can cause these errors, so a candidate must not get another trial by them.
_BY_EVIDENCE = (
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    NoObjectGeneratedError,
)
_SEEDS = 2**31
"""The number of seeds that all providers with seeds accept."""


F = TypeVar("F", bound=BaseModel)


class _Vote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str
    is_manipulated: bool
    score: float = Field(ge=0, le=1)


@dataclass(frozen=True)
class JudgeModel:
    """The model of a judge, and its provider."""

    provider: str
    model: str


async def choose_judge(settings: JudgeSettings, environ: Mapping[str, str]) -> JudgeModel:
    """Return the model of the judge."""
    chosen = await choose_ready(
        settings.model,
        settings.provider,
        environ,
        user="the judge of rubrics",
        hint="set provider and model in [judge] of suite.toml",
    )
    return JudgeModel(chosen.provider, chosen.model)


@asynccontextmanager
async def open_judge(settings: JudgeSettings, scope: RunScope) -> AsyncGenerator["Judge"]:
    """Yield the judge of a suite, which asks a model with the settings of the project."""
    chosen = await choose_judge(settings, scope.project.machine.environ)
    async with AsyncExitStack() as stack:
        yield Judge(await open_client(scope, stack), chosen, settings.votes)


@dataclass(frozen=True)
class Judge:
    """Judges by the median of several votes of a model."""

    client: Client
    chosen: JudgeModel
    votes: int = 1

    async def ask(self, question: JudgeQuestion) -> JudgeVerdict:
        """Return the verdict on a question; if the judge fails, the question can be asked again.

        An error that the evidence can cause counts against the candidate. Votes that were given
        before an error stand.
        """
        spent, votes = Spent(), [*question.votes]
        try:
            while len(votes) < self.votes:
                votes.append(_counted(await self._vote(question, len(votes), spent)))
        except (SDKError, ConfigurationError) as error:
            message, reason = f"unscored: the judge failed: {error}", first_sentence(type(error))
            if isinstance(error, _BY_EVIDENCE):
                raise TrialTrouble(
                    message, Culprit.CANDIDATE, reason=reason, **vars(spent)
                ) from error
            again = replace(question, votes=tuple(votes))
            raise Unjudged(message, again, reason=reason, **vars(spent)) from error
        score = float(median(vote.score for vote in votes))
        nearest = min(votes, key=lambda vote: abs(vote.score - score))
        return JudgeVerdict(score, nearest.reason, **vars(spent))

    async def _vote(self, question: JudgeQuestion, number: int, spent: "Spent") -> _Vote:
        marker = secrets.token_hex(_MARKER_BYTES)
        system = _PROMPT.read_text("utf-8").format(marker=marker)
        pieces = [
            f"<<<evidence {marker}: {name}\n{text}\nevidence {marker}>>>"
            for name, text in question.evidence.items()
        ]
        words = "\n\n".join(
            ["# Rubric", question.rubric.strip(), "# Evidence (untrusted)", *pieces]
        )
        return await self.answer(system, words, _Vote, (question.seed + number) % _SEEDS, spent)

    async def answer(self, system: str, words: str, form: type[F], seed: int, spent: "Spent") -> F:
        """Ask once for a JSON object, and once more with the error if the answer is invalid."""
        conversation = [Message.system(system), Message.user(words)]
        result = await self._generate(conversation, form, seed, spent)
        try:
            return _read(result, form)
        except (NoObjectGeneratedError, ValidationError) as error:
            wrong = one_line(str(error), _LONGEST_REASON)
            conversation.append(Message.assistant(result.text[:_LONGEST_TEXT] or "(no text)"))
            words = f"Invalid answer: {wrong}. Answer with one valid JSON object only."
            conversation.append(Message.user(words))
        result = await self._generate(conversation, form, seed, spent)
        try:
            return _read(result, form)
        except ValidationError as error:
            raise NoObjectGeneratedError(str(error), text=result.text) from error

    async def _generate(
        self, conversation: list[Message], form: type[BaseModel], seed: int, spent: "Spent"
    ) -> GenerateResult:
        result = await generate(
            self.chosen.model,
            messages=conversation,
            response_format=ResponseFormat("json_schema", form.model_json_schema(), strict=True),
            provider=self.chosen.provider,
            # The other providers have no seed.
            provider_options={
                "openai_compatible": {"seed": seed},
                "gemini": {"generationConfig": {"seed": seed}},
            },
            client=self.client,
        )
        spent.add(result, self.chosen)
        return result


def _counted(vote: _Vote) -> JudgeVote:
    """Return a vote as it counts: a manipulation scores nothing."""
    reason = one_line(vote.reason, _LONGEST_REASON)
    if vote.is_manipulated:
        return JudgeVote(0.0, f"the evidence tries to influence the judge: {reason}")
    return JudgeVote(vote.score, reason)


class Spent:
    """The cost and tokens of the calls for one verdict or reading."""

    def __init__(self) -> None:
        self.cost_usd = 0.0
        self.tokens = self.unpriced_tokens = 0

    def add(self, result: GenerateResult, chosen: JudgeModel) -> None:
        """Add the cost and tokens of a call."""
        response = result.response
        price = price_call(response.usage, response.provider, (response.model, chosen.model))
        self.cost_usd += price.cost_usd or 0.0
        self.tokens += response.usage.total_tokens
        if price.cost_usd is None:
            self.unpriced_tokens += response.usage.total_tokens


def _read(result: GenerateResult, form: type[F]) -> F:
    return form.model_validate(read_object(result, form.model_json_schema()).output)

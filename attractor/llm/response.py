"""Responses of models: finish reason, usage, cost, and steps of a generation (3.7 to 3.12)."""

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import reduce
from operator import add
from typing import Literal, Self

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.records import write_record
from attractor.llm.catalogue import FindModel, ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import Message, from_record
from attractor.llm.request import ToolCall, ToolResult

Reason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


@dataclass(frozen=True)
class FinishReason:
    """The reason why the model stopped, and the provider's name of the reason."""

    reason: Reason
    raw: str | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, or the sum of several calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    raw: JsonObject | None = None

    @property
    def total_tokens(self) -> int:
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            _sum(self.reasoning_tokens, other.reasoning_tokens),
            _sum(self.cache_read_tokens, other.cache_read_tokens),
            _sum(self.cache_write_tokens, other.cache_write_tokens),
        )


@dataclass(frozen=True)
class Warning:
    """A difference between the request and the answer that is not an error."""

    message: str
    code: str | None = None


@dataclass(frozen=True)
class RateLimitInfo:
    """The remaining requests and tokens, and the time until an exhausted limit resets.

    `reset_after` is in seconds after the answer, so that it does not depend on the local clock.
    """

    requests_remaining: int | None = None
    requests_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_limit: int | None = None
    reset_at: datetime | None = None
    reset_after: float | None = None


@dataclass(frozen=True)
class Response:
    """An answer of a model."""

    id: str
    model: str
    provider: str
    message: Message
    finish_reason: FinishReason
    usage: Usage
    raw: JsonObject | None = None
    warnings: Sequence[Warning] = ()
    rate_limit: RateLimitInfo | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", tuple(self.warnings))

    def to_dict(self) -> dict[str, Json]:
        """Return the answer as JSON, with bytes in base64."""
        return write_record(self)

    @classmethod
    def from_dict(cls, record: JsonObject) -> Self:
        """Return the answer of `to_dict`."""
        return from_record(cls, record)

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls of the model, in order."""
        calls = (part.tool_call for part in self.message.content)
        return [ToolCall.from_data(call) for call in calls if call is not None]

    @property
    def reasoning(self) -> str | None:
        """The readable thinking of the model."""
        thoughts = [part.thinking for part in self.message.content if part.thinking]
        readable = [thought.text for thought in thoughts if thought.text and not thought.redacted]
        return "".join(readable) or None

    def with_warnings(self, warnings: Sequence[Warning]) -> Self:
        """Return the answer with additional warnings."""
        return replace(self, warnings=[*self.warnings, *warnings]) if warnings else self

    def with_model(self, model: str) -> Self:
        """Return the answer with the requested model added to the answer's provider data.

        Thinking is valid only for the model that wrote it.
        """
        if not any(part.provider_data for part in self.message.content):
            return self
        content = [
            replace(part, provider_data=replace(part.provider_data, model=model))
            if part.provider_data
            else part
            for part in self.message.content
        ]
        return replace(self, message=replace(self.message, content=content))


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


_MILLION = 1_000_000
# Their `input_tokens` do not include tokens read from or written to the cache (3.9).
_CACHE_NOT_IN_INPUT = frozenset({"anthropic"})


def usage_of(prompt: int, answer: int, *, cached: int, model: ModelInfo) -> Usage:
    """Return the usage that the provider of the model would report for a call of this size."""
    uncached = prompt - cached if model.provider in _CACHE_NOT_IN_INPUT else prompt
    return Usage(input_tokens=uncached, output_tokens=answer, cache_read_tokens=cached)


def prompt_tokens(usage: Usage, provider: str) -> int:
    """Return the number of tokens in the prompt of a call, including cached tokens."""
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return usage.input_tokens + cached * (provider in _CACHE_NOT_IN_INPUT)


def cost_of(usage: Usage, model: ModelInfo) -> float | None:
    """Return the cost of one call in US dollars; None if a price is unknown.

    Do not pass the sum of several calls: a longer prompt may cost more per token. Reasoning tokens
    are part of the output. Without a cache price, cached tokens cost as much as other input.
    """
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    fresh = max(0, prompt_tokens(usage, model.provider) - read - written)
    prices = model.prices(fresh + read + written)
    if prices.input is None or prices.output is None:
        return None
    cost = fresh * prices.input + usage.output_tokens * prices.output
    cost += read * (prices.input if prices.cache_read is None else prices.cache_read)
    cost += written * (prices.input if prices.cache_write is None else prices.cache_write)
    return round(cost / _MILLION, 12)


@dataclass(frozen=True)
class Price:
    """The cost of a call and the priced model, or the reason why the cost is unknown."""

    cost_usd: float | None
    why_not: str
    model: str = ""


def price_call(
    usage: Usage, provider: str, models: Sequence[str], find: FindModel = get_model_info
) -> Price:
    """Price a call by the first of the models that the catalogue contains.

    Pass the answering model before the requested one: its name is often longer, or unknown.
    """
    try:
        known = next(filter(None, (find(model, provider) for model in models if model)), None)
    except ConfigurationError as error:
        return Price(None, f"model prices are unknown: {error.message}; {error.hint}")
    named = f"the model {models[-1]} of {provider}: its tokens count, but its cost counts as 0"
    if known is None:
        return Price(None, f"the catalogue does not contain {named}")
    return Price(cost_of(usage, known), f"the catalogue has no price for {named}", known.id)


@dataclass(frozen=True)
class StepResult:
    """One answer of the model, with the results of its tool calls."""

    response: Response
    tool_results: Sequence[ToolResult] = ()

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.response.text

    @property
    def reasoning(self) -> str | None:
        """The readable thinking of the model."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls of the model, in order."""
        return self.response.tool_calls

    @property
    def finish_reason(self) -> FinishReason:
        """Why the model stopped."""
        return self.response.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens of this call."""
        return self.response.usage

    @property
    def warnings(self) -> Sequence[Warning]:
        """The warnings of the answer."""
        return self.response.warnings


@dataclass(frozen=True)
class GenerateResult:
    """All steps of a generation.

    The properties describe the last step, except for `total_usage`.
    """

    steps: Sequence[StepResult]
    output: Json = None

    @property
    def response(self) -> Response:
        """The last answer."""
        return self.steps[-1].response

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.text

    @property
    def reasoning(self) -> str | None:
        """The readable thinking before the last answer."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tool calls of the last answer."""
        return self.response.tool_calls

    @property
    def tool_results(self) -> Sequence[ToolResult]:
        """The results of the last tool calls that were executed."""
        return self.steps[-1].tool_results

    @property
    def finish_reason(self) -> FinishReason:
        """Why the last answer ended."""
        return self.response.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens of the last call."""
        return self.response.usage

    @property
    def total_usage(self) -> Usage:
        """The tokens of all calls."""
        return reduce(add, (step.usage for step in self.steps))


@dataclass(frozen=True)
class ObjectResult(GenerateResult):
    """All steps of a generation of an object, with the object as `output`."""

    output: dict[str, Json] = field(default_factory=dict[str, Json])

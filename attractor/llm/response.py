"""What a model answered (3.7 to 3.12).

What a call to a model cost, from what it used.

What came of generating: the answer of every step, and the last one's as the result (4.3).

Notes of an answer which model gave it: its thoughts are valid nowhere else (3.5).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce
from operator import add
from typing import Literal

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.catalogue import ModelInfo
from attractor.llm.messages import ContentPart, Message
from attractor.llm.tools import ToolCall, ToolResult

Reason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


@dataclass(frozen=True)
class FinishReason:
    """Why the model stopped: in our word, and in the provider's."""

    reason: Reason
    raw: str | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, or of several added up."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    raw: JsonObject | None = None

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
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
    """Something that was not quite as asked, and no error."""

    message: str
    code: str | None = None


@dataclass(frozen=True)
class RateLimitInfo:
    """What the provider says is left before it refuses, and when it counts anew what is used up.

    `reset_after` is how many seconds that was away when it answered: no clock of ours is in it.
    """

    requests_remaining: int | None = None
    requests_limit: int | None = None
    tokens_remaining: int | None = None
    tokens_limit: int | None = None
    reset_at: datetime | None = None
    reset_after: float | None = None


@dataclass(frozen=True)
class Response:
    """One answer of a model."""

    id: str
    model: str
    provider: str
    message: Message
    finish_reason: FinishReason
    usage: Usage
    raw: JsonObject | None = None
    warnings: Sequence[Warning] = ()
    rate_limit: RateLimitInfo | None = None

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools the model called, in order."""
        calls = (part.tool_call for part in self.message.content)
        return [ToolCall.from_data(call) for call in calls if call is not None]

    @property
    def reasoning(self) -> str | None:
        """What the model thought, where it can be read."""
        thoughts = [part.thinking for part in self.message.content if part.thinking]
        readable = [thought.text for thought in thoughts if thought.text and not thought.redacted]
        return "".join(readable) or None


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


_MILLION = 1_000_000
# Their `input_tokens` are those that came from no cache and went into none (3.9).
_CACHED_BESIDE_INPUT = frozenset({"anthropic"})


def usage_of(prompt: int, answer: int, *, cached: int, model: ModelInfo) -> Usage:
    """Return the usage of a call of a known size, as the provider of the model would tell it."""
    beside = model.provider in _CACHED_BESIDE_INPUT
    fresh = prompt - cached if beside else prompt
    return Usage(input_tokens=fresh, output_tokens=answer, cache_read_tokens=cached)


def prompt_tokens(usage: Usage, provider: str) -> int:
    """Return how long the prompt of a call was, whatever of it came from a cache or went into one.

    Anthropic's `input_tokens` are what is left of it.
    """
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return usage.input_tokens + cached * (provider in _CACHED_BESIDE_INPUT)


def cost_of(usage: Usage, model: ModelInfo) -> float | None:
    """Return what one call cost in US dollars; None where a price is not known.

    Usages of several calls are not to be added up before: a longer prompt may be dearer. What was
    thought is part of the output. Where the cache has no price of its own, its tokens cost what
    others cost.
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
class StepResult:
    """One call to the model, and what came of the tools it called."""

    response: Response
    tool_results: Sequence[ToolResult] = ()

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.response.text

    @property
    def reasoning(self) -> str | None:
        """What the model thought, where it can be read."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools the model called, in order."""
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
        """What was not quite as asked, and no error."""
        return self.response.warnings


@dataclass(frozen=True)
class GenerateResult:
    """All steps; what is read here is the last one's, but for `total_usage`."""

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
        """What the model thought before its last answer, where it can be read."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools called last, which nobody answered or which ended the loop."""
        return self.response.tool_calls

    @property
    def tool_results(self) -> Sequence[ToolResult]:
        """What came of the tools called last, as far as they were executed."""
        return self.steps[-1].tool_results

    @property
    def finish_reason(self) -> FinishReason:
        """Why the model stopped at last."""
        return self.response.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens of the last call."""
        return self.response.usage

    @property
    def total_usage(self) -> Usage:
        """The tokens of all calls."""
        return reduce(add, (step.usage for step in self.steps))


def said_by(model: str, response: Response) -> Response:
    """Return an answer in which whatever its provider wants back has the model that was asked."""
    message = response.message
    if not any(part.provider_data for part in message.content):
        return response
    content = [_said_by(model, part) for part in message.content]
    return replace(response, message=replace(message, content=content))


def _said_by(model: str, part: ContentPart) -> ContentPart:
    own = part.provider_data
    return part if own is None else replace(part, provider_data=replace(own, model=model))

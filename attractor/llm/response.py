"""What a model answered (3.7 to 3.12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.message import Message
from attractor.llm.tools import ToolCall

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

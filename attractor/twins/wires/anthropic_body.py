"""The body of a request to Anthropic's Messages API: its fields and their types."""

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# Those of the beta versions too; what means nothing to a twin is taken all the same.
FIELDS_TO_COUNT = frozenset(
    {
        *("messages", "model", "system", "tools", "tool_choice", "thinking", "cache_control"),
        *("output_config", "output_format", "speed", "mcp_servers", "context_management"),
        *("billing_policy", "compaction", "user_profile_id", "workspace_id"),
    }
)
FIELDS = FIELDS_TO_COUNT | {
    *("max_tokens", "metadata", "service_tier", "stop_sequences", "stream"),
    *("temperature", "top_k", "top_p", "container", "diagnostics", "inference_geo"),
    *("fallbacks", "fallback_credit_token", "thread"),
}


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Markable(_Loose):
    cache_control: dict[str, str] | None = None


class TextBlock(_Markable):
    """One block of the instructions."""

    type: str
    text: str = ""


class Shown(TextBlock):
    """A block that may show something."""

    source: dict[str, object] | None = None


class ContentBlock(Shown):
    """One block of a message, of any type."""

    id: str = ""
    name: str = ""
    input: dict[str, object] | None = None
    tool_use_id: str = ""
    content: str | list[Shown] = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""


class SaidMessage(_Loose):
    """One message of it."""

    role: Literal["user", "assistant"]
    content: str | list[ContentBlock]

    @property
    def blocks(self) -> Sequence[ContentBlock]:
        """Its content as blocks, also where it is one text."""
        if isinstance(self.content, str):
            return [ContentBlock(type="text", text=self.content)]
        return self.content


def join_messages(messages: Sequence[SaidMessage]) -> list[SaidMessage]:
    """Make one message of what the same speaker said in a row, as the provider does."""
    return [
        said[0] if len(said) == 1 else _joined(said)
        for said in (list(some) for _, some in groupby(messages, key=lambda one: one.role))
    ]


def _joined(said: Sequence[SaidMessage]) -> SaidMessage:
    blocks = [block for one in said for block in one.blocks]
    return SaidMessage(role=said[0].role, content=blocks)


class CountBody(_Markable):
    """The body of a request that asks how long a prompt is."""

    model: str
    messages: list[SaidMessage] = Field(min_length=1)
    system: str | list[TextBlock] = ""
    tools: list[_Markable] = []

    @property
    def instructions(self) -> Sequence[TextBlock]:
        """The instructions as blocks, also where they are one text."""
        if isinstance(self.system, str):
            return [TextBlock(type="text", text=self.system)] if self.system else []
        return self.system


class MessagesBody(CountBody):
    """A request's body."""

    max_tokens: int = Field(ge=1)
    stream: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    thinking: dict[str, object] | None = None
    output_config: dict[str, object] | None = None
    tool_choice: dict[str, object] | None = None

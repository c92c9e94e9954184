"""What is asked of a model (3.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.message import Message
from attractor.llm.response_format import ResponseFormat
from attractor.llm.tools import ToolChoice, ToolDefinition, check_tools


@dataclass(frozen=True)
class Request:
    """One call to a model; what is None is left to the provider."""

    model: str
    messages: Sequence[Message]
    provider: str | None = None
    tools: Sequence[ToolDefinition] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop_sequences: Sequence[str] = ()
    reasoning_effort: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    provider_options: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    def __post_init__(self) -> None:
        # What is optional by the specification may be given as None.
        for name in ("tools", "stop_sequences"):
            object.__setattr__(self, name, getattr(self, name) or ())
        for name in ("metadata", "provider_options"):
            object.__setattr__(self, name, getattr(self, name) or {})
        check_tools(self.tools)

    def options_for(self, provider: str) -> JsonObject:
        """Return what is meant for one provider alone."""
        return self.provider_options.get(provider, {})

"""Requests to models, and the format of their answers (3.6, 3.10)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import Message
from attractor.llm.tools import ToolChoice, ToolDefinition, check_tools

NOT_ENFORCED = "schema_not_enforced"
"""The warning code for a schema that the provider does not enforce."""

_TYPES = ("text", "json", "json_schema")


@dataclass(frozen=True)
class ResponseFormat:
    """The format of an answer; with `strict` the provider enforces the schema if it can."""

    type: str
    json_schema: JsonObject | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise ConfigurationError(
                f"unknown response format {self.type!r}", hint=f"use one of {', '.join(_TYPES)}"
            )
        if (self.type == "json_schema") != (self.json_schema is not None):
            fault = "missing" if self.json_schema is None else "unexpected"
            raise ConfigurationError(
                f"{fault} json_schema for the response format {self.type!r}",
                hint="set json_schema for the type 'json_schema' only",
            )
        if self.json_schema is not None and self.json_schema.get("type") != "object":
            raise ConfigurationError(
                "the schema of the answer is not of type object",
                hint='write "type": "object" at its root, and any other value as a property',
            )


def format_instruction(response_format: ResponseFormat | None) -> str:
    """Return the prompt for a format that the provider has no setting for; empty for text."""
    if response_format is None or response_format.type == "text":
        return ""
    prompt = (
        "Answer with one JSON object and nothing else: no words around it, no code fence, no "
        "comments."
    )
    if response_format.json_schema is None:
        return prompt
    schema = json.dumps(response_format.json_schema, ensure_ascii=False, default=str)
    return f"{prompt} The object has to be valid against this JSON Schema:\n\n{schema}"


@dataclass(frozen=True)
class Request:
    """A call to a model; None leaves a setting to the provider."""

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
        # The specification allows None for optional fields.
        for name in ("tools", "stop_sequences"):
            object.__setattr__(self, name, getattr(self, name) or ())
        for name in ("metadata", "provider_options"):
            object.__setattr__(self, name, getattr(self, name) or {})
        check_tools(self.tools)

    def options_for(self, provider: str) -> JsonObject:
        """Return the options for one provider."""
        return self.provider_options.get(provider, {})


def merge_options(body: JsonObject, options: JsonObject) -> dict[str, Json]:
    """Merge a provider's own options into a body: objects and lists grow, others are replaced."""
    return {**body, **{key: _merge(body.get(key), value) for key, value in options.items()}}


def _merge(value: Json, option: Json) -> Json:
    if isinstance(value, dict) and isinstance(option, dict):
        return merge_options(value, option)
    if isinstance(value, list) and isinstance(option, list):
        return [*value, *option]
    return option

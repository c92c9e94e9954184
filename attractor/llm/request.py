"""A request to a model, and the tools offered to the model."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.errors import ConfigurationError, InvalidToolCallError
from attractor.llm.messages import Message, ToolCallData

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_MODES = ("auto", "none", "required", "named")


@dataclass(frozen=True)
class ToolDefinition:
    """A tool that a model can call; `parameters` is the JSON schema of an object."""

    name: str
    description: str
    parameters: JsonObject

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"invalid tool name {self.name[:80]!r}",
                hint="start with a letter, followed by at most 63 letters, digits and underscores",
            )
        if self.parameters.get("type") != "object":
            raise ConfigurationError(
                f"the parameters of the tool {self.name!r} are not of type object",
                hint='write "type": "object" at the root of the schema',
            )


@dataclass(frozen=True)
class Tool:
    """A tool, with or without a function.

    A tool without a function is passive: the caller answers its calls. The function `execute` can
    be async, and takes the arguments by name or as one mapping.
    """

    name: str
    description: str
    parameters: JsonObject
    execute: Callable[..., object] | None = None

    def __post_init__(self) -> None:
        # Checks name and parameters.
        _ = self.definition

    @property
    def definition(self) -> ToolDefinition:
        """The definition sent to the model."""
        return ToolDefinition(self.name, self.description, self.parameters)


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model can, must or must not call tools, or must call a certain tool."""

    mode: str = "auto"
    tool_name: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ConfigurationError(
                f"unknown tool choice {self.mode!r}", hint=f"use one of {', '.join(_MODES)}"
            )
        if (self.mode == "named") != (self.tool_name is not None):
            fault = "missing" if self.tool_name is None else "unexpected"
            raise ConfigurationError(
                f"{fault} tool_name for the tool choice {self.mode!r}",
                hint="set tool_name for the mode 'named' only",
            )


@dataclass(frozen=True)
class ToolCall:
    """A tool call with parsed arguments, or with the `fault` of invalid arguments."""

    id: str
    name: str
    arguments: JsonObject
    raw_arguments: str | None = None
    fault: InvalidToolCallError | None = None

    @classmethod
    def from_data(cls, data: ToolCallData) -> Self:
        """Parse the arguments of a call; for invalid arguments, set `fault`, which is sent to the
        model.
        """
        if not isinstance(data.arguments, str):
            return cls(data.id, data.name, data.arguments)
        arguments, fault = _parse(data.name, data.arguments)
        return cls(data.id, data.name, arguments, data.arguments, fault)


@dataclass(frozen=True)
class ToolResult:
    """The result of a tool call."""

    tool_call_id: str
    content: str | JsonObject | Sequence[Json]
    is_error: bool = False


def check_tools(tools: Sequence[ToolDefinition]) -> None:
    """Raise a ConfigurationError if two tools have the same name."""
    names = [tool.name for tool in tools]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise ConfigurationError(f"duplicate tool {duplicates[0]!r}", hint="remove one of them")


def _parse(name: str, text: str) -> tuple[JsonObject, InvalidToolCallError | None]:
    try:
        # Some models call a tool without parameters with an empty text.
        value = parse_json(text) if text.strip() else {}
    except NotCanonical as cause:
        return {}, InvalidToolCallError(f"the arguments of {name!r} are {cause.message}")
    if not isinstance(value, dict):
        return {}, InvalidToolCallError(f"the arguments of {name!r} are not a JSON object")
    return value, None


NOT_ENFORCED = "schema_not_enforced"
"""The warning code for a schema that the provider does not enforce."""

_TYPES = ("text", "json", "json_schema")


@dataclass(frozen=True)
class ResponseFormat:
    """The format of an answer; with `strict` the provider enforces the schema if possible."""

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
                hint=(
                    'set "type": "object" at the root of the schema; put a list or a text into a '
                    "property of this object"
                ),
            )


def format_instruction(response_format: ResponseFormat | None) -> str:
    """Return the prompt that requests a response format; empty for plain text.

    The prompt is for providers that have no setting for the format.
    """
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
    """Merge a provider's own options into a body.

    Objects and lists are extended, other values are replaced.
    """
    return {**body, **{key: _merge(body.get(key), value) for key, value in options.items()}}


def _merge(value: Json, option: Json) -> Json:
    if isinstance(value, dict) and isinstance(option, dict):
        return merge_options(value, option)
    if isinstance(value, list) and isinstance(option, list):
        return [*value, *option]
    return option

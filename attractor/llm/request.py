"""A request to a model, and the tools offered to the model."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Self, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.errors import ConfigurationError, InvalidToolCallError, invalid_value
from attractor.llm.messages import Message, ToolCallData, read_messages

if TYPE_CHECKING:
    from pydantic import BaseModel

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_MODES = ("auto", "none", "required", "named")


def as_schema(schema: object, name: str = "schema") -> JsonObject:
    """Return a JSON schema; a pydantic class becomes its schema."""
    if isinstance(schema, Mapping):
        return cast("JsonObject", schema)
    make = getattr(schema, "model_json_schema", None)
    if not isinstance(schema, type) or not callable(make):
        raise invalid_value(name, schema, "a JSON schema as a dict, or a pydantic class")
    return cast("JsonObject", make())


@dataclass(frozen=True)
class ToolDefinition:
    """A tool that a model can call.

    `parameters` is the JSON schema of an object, or a pydantic class.
    """

    name: str
    description: str
    parameters: JsonObject

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self, name: str, description: str, parameters: "JsonObject | type[BaseModel]"
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("name", "description"):
            if not isinstance(getattr(self, name), str):
                raise invalid_value(f"{name} of a tool", getattr(self, name), "a text")
        schema = as_schema(self.parameters, f"parameters of the tool {self.name!r:.80}")
        object.__setattr__(self, "parameters", schema)
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

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            name: str,
            description: str,
            parameters: "JsonObject | type[BaseModel]",
            execute: Callable[..., object] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        # Checks name and parameters.
        object.__setattr__(self, "parameters", self.definition.parameters)
        execute = cast("object", self.execute)
        if execute is not None and not callable(execute):
            raise invalid_value(f"execute of the tool {self.name!r}", execute, "a function")

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
    image_data: bytes | None = None
    image_media_type: str | None = None


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

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            type: str,
            json_schema: "JsonObject | type[BaseModel] | None" = None,
            strict: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise ConfigurationError(
                f"unknown response format {self.type!r}", hint=f"use one of {', '.join(_TYPES)}"
            )
        if self.json_schema is not None:
            object.__setattr__(self, "json_schema", as_schema(self.json_schema, "json_schema"))
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


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_amount(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and value >= 0


def _is_limit(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_list(value: object, *types: type) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    return all(isinstance(one, types) for one in cast("Sequence[object]", value))


def _is_mapping(value: object, type_: type) -> bool:
    if not isinstance(value, Mapping):
        return False
    members = cast("Mapping[object, object]", value)
    return _is_list([*members], str) and _is_list([*members.values()], type_)


# Programs without type checks can pass anything.
_SETTINGS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "model": (_is_text, 'the name of a model, such as "gpt-5.2"'),
    "provider": (_is_text, 'the name of a provider, such as "openai"'),
    "tools": (
        lambda value: _is_list(value, ToolDefinition, Tool),
        "a list of Tool or ToolDefinition objects",
    ),
    "tool_choice": (
        lambda value: isinstance(value, ToolChoice),
        'a ToolChoice, such as ToolChoice("required")',
    ),
    "response_format": (
        lambda value: isinstance(value, ResponseFormat),
        'a ResponseFormat, such as ResponseFormat("json")',
    ),
    "temperature": (_is_amount, "a number of 0 or more"),
    "top_p": (_is_amount, "a number from 0 to 1"),
    "max_tokens": (_is_limit, "an integer of 1 or more"),
    "stop_sequences": (lambda value: _is_list(value, str), 'a list of texts, such as ["END"]'),
    "reasoning_effort": (_is_text, 'a level, such as "low", "medium" or "high"'),
    "metadata": (lambda value: _is_mapping(value, str), "texts by name"),
    "provider_options": (
        lambda value: _is_mapping(value, Mapping),
        'options by provider, such as {"openai": {"store": False}}',
    ),
}


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

    if TYPE_CHECKING:
        # Converted in __post_init__.
        def __init__(
            self,
            model: str,
            messages: Sequence[Message | JsonObject],
            provider: str | None = None,
            tools: Sequence[ToolDefinition] | None = (),
            tool_choice: ToolChoice | None = None,
            response_format: ResponseFormat | None = None,
            temperature: float | None = None,
            top_p: float | None = None,
            max_tokens: int | None = None,
            stop_sequences: Sequence[str] | None = (),
            reasoning_effort: str | None = None,
            metadata: Mapping[str, str] | None = None,
            provider_options: Mapping[str, JsonObject] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        # The specification allows None for optional fields.
        for name in ("tools", "stop_sequences"):
            object.__setattr__(self, name, getattr(self, name) or ())
        for name in ("metadata", "provider_options"):
            object.__setattr__(self, name, getattr(self, name) or {})
        for name, (is_valid, expected) in _SETTINGS.items():
            value = getattr(self, name)
            if (value is not None or name == "model") and not is_valid(value):
                raise invalid_value(name, value, expected)
        object.__setattr__(self, "messages", read_messages(self.messages))
        check_tools(self.tools)

    def options_for(self, provider: str) -> JsonObject:
        """Return the options for one provider."""
        return self.provider_options.get(provider, {})


def merge_options(body: JsonObject, options: JsonObject) -> dict[str, Json]:
    """Merge a provider's own options into a body.

    Objects and lists are extended, other values are replaced.
    """
    merged = dict(body)
    for key, option in options.items():
        value = body.get(key)
        if isinstance(value, dict) and isinstance(option, dict):
            merged[key] = merge_options(value, option)
        elif isinstance(value, list) and isinstance(option, list):
            merged[key] = [*value, *option]
        else:
            merged[key] = option
    return merged

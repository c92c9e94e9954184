"""Tools: what a model may call, whether it must, and what it called (5.1 to 5.4)."""

import re
from collections.abc import Callable, Sequence
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.errors import ConfigurationError, InvalidToolCallError
from attractor.llm.messages import ToolCallData

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_MODES = ("auto", "none", "required", "named")


@dataclass(frozen=True)
class ToolDefinition:
    """A tool a model may call; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: JsonObject

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"no provider takes the tool name {self.name[:80]!r}",
                hint="a letter first, then letters, digits and underscores, at most 64",
            )
        if self.parameters.get("type") != "object":
            raise ConfigurationError(
                f"the parameters of the tool {self.name!r} are not an object",
                hint='the schema\'s root says "type": "object"',
            )


@dataclass(frozen=True)
class Tool:
    """A tool with what executes it; without that it is passive, and its calls are the caller's.

    `execute` may be async or not, and takes the arguments by name, or all of them as one mapping.
    """

    name: str
    description: str
    parameters: JsonObject
    execute: Callable[..., object] | None = None

    def __post_init__(self) -> None:
        # Its definition has the checks.
        _ = self.definition

    @property
    def definition(self) -> ToolDefinition:
        """What a model is told of it."""
        return ToolDefinition(self.name, self.description, self.parameters)


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model may, must or must not call tools, or must call one by name."""

    mode: str = "auto"
    tool_name: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ConfigurationError(
                f"no tool choice {self.mode!r}", hint=f"one of {', '.join(_MODES)}"
            )
        if (self.mode == "named") != (self.tool_name is not None):
            raise ConfigurationError(
                f"tool choice {self.mode!r} with the tool {self.tool_name!r}",
                hint="'named' takes a tool_name, and nothing else does",
            )


@dataclass(frozen=True)
class ToolCall:
    """A call the model made, its arguments parsed; `fault` says why they could not be."""

    id: str
    name: str
    arguments: JsonObject
    raw_arguments: str | None = None
    fault: InvalidToolCallError | None = None

    @classmethod
    def from_data(cls, data: ToolCallData) -> Self:
        """Parse the arguments of a call; a bad text is no error here, the model is to be told."""
        if not isinstance(data.arguments, str):
            return cls(data.id, data.name, data.arguments)
        arguments, fault = _parse(data.name, data.arguments)
        return cls(data.id, data.name, arguments, data.arguments, fault)


@dataclass(frozen=True)
class ToolResult:
    """What came of a call."""

    tool_call_id: str
    content: str | JsonObject | Sequence[Json]
    is_error: bool = False


def check_tools(tools: Sequence[ToolDefinition]) -> None:
    """Refuse two tools of one name."""
    names = [tool.name for tool in tools]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ConfigurationError(
            f"the tool {doubled[0]!r} is defined twice", hint="leave one of them out"
        )


def _parse(name: str, text: str) -> tuple[JsonObject, InvalidToolCallError | None]:
    try:
        # A tool without parameters is sometimes called with no text at all.
        value = parse_json(text) if text.strip() else {}
    except NotCanonical as cause:
        return {}, InvalidToolCallError(f"the arguments of {name!r} are {cause.message}")
    if not isinstance(value, dict):
        return {}, InvalidToolCallError(f"the arguments of {name!r} are not a JSON object")
    return value, None

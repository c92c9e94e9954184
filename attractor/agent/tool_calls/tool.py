"""Tools: their definitions, executors and registry (§3.8)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from typing import Any, TypeVar

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry, count_parameters
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.messages import ImageData
from attractor.llm.request import ToolDefinition

T = TypeVar("T")


class Permissions(StrEnum):
    """The rights of an agent; each value includes the rights of the values before it.

    `workspace` adds changing files and running commands, `full` adds reading the web.
    """

    READ_ONLY = "read-only"
    WORKSPACE = "workspace"
    FULL = "full"

    def allows(self, needed: "Permissions") -> bool:
        """Return whether an agent with these permissions gets a tool that needs others."""
        ranks = list(Permissions)
        return ranks.index(self) >= ranks.index(needed)


class ToolState:
    """Objects that the tool calls of a session share, such as the files that the model has read."""

    def __init__(self) -> None:
        self._objects: dict[type, Any] = {}

    def of(self, kind: type[T]) -> T:
        """Return the session's object of a class; the first call creates the object."""
        if kind not in self._objects:
            self._objects[kind] = kind()
        return self._objects[kind]

    def put(self, value: object) -> None:
        """Set the session's object of the class of `value`."""
        self._objects[type(value)] = value


def _ignore(output: str) -> None:
    """Ignore the output."""


@dataclass(frozen=True)
class ToolCallScope:
    """The call that an executor works for: its id, its live output, and the session's state."""

    id: str = ""
    emit_output: Callable[[str], None] = _ignore
    state: ToolState = field(default_factory=ToolState)


@dataclass(frozen=True)
class ToolOutput:
    """The output of a tool: a text, and an image for models that can see."""

    text: str
    image: ImageData | None = None


Answer = str | ToolOutput
Executor = (
    Callable[[JsonObject, ExecutionEnvironment], Answer | Awaitable[Answer]]
    | Callable[[JsonObject, ExecutionEnvironment, ToolCallScope], Answer | Awaitable[Answer]]
)
_WITH_SCOPE = 3


@dataclass(frozen=True)
class RegisteredTool:
    """A tool definition with its executor; tools that change files run one at a time.

    Agents with fewer permissions than the tool needs do not get it. Subagents inherit a tool unless
    `is_inherited` is false. Arguments that are a bare text instead of JSON set `text_argument`.

    The executor takes the arguments and the environment; an executor with a third parameter also
    gets the scope of the call.
    """

    definition: ToolDefinition
    executor: Executor
    changes_files: bool = False
    is_inherited: bool = True
    has_time_limit: bool = False
    text_argument: str = ""
    needs: Permissions = Permissions.WORKSPACE

    @property
    def name(self) -> str:
        """The name of the tool."""
        return self.definition.name

    async def execute(
        self,
        arguments: JsonObject,
        environment: ExecutionEnvironment,
        scope: ToolCallScope | None = None,
    ) -> str:
        """Execute a call and return the text for the model."""
        return (await self.run(arguments, environment, scope)).text

    async def run(
        self,
        arguments: JsonObject,
        environment: ExecutionEnvironment,
        scope: ToolCallScope | None = None,
    ) -> ToolOutput:
        """Execute a call and return the text and the image for the model."""
        wants_scope = count_parameters(self.executor) == _WITH_SCOPE
        more = (scope or ToolCallScope(),) if wants_scope else ()
        output = await call(self.executor, arguments, environment, *more)
        whole = output if isinstance(output, ToolOutput) else ToolOutput(str(output))
        # A request to a provider cannot contain half a character.
        return replace(whole, text=whole.text.encode("utf-8", "replace").decode("utf-8"))


class ToolRegistry(Mapping[str, RegisteredTool]):
    """Tools by name, in the order of their definitions."""

    def __init__(self, tools: Sequence[RegisteredTool] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def __getitem__(self, name: str) -> RegisteredTool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def register(self, tool: RegisteredTool) -> None:
        """Add a tool, or replace the tool with the same name."""
        self._tools[tool.name] = tool

    def unregister(self, name: str) -> None:
        """Remove a tool."""
        self._tools.pop(name, None)

    def definitions(self) -> Sequence[ToolDefinition]:
        """Return the definitions for the model."""
        return [tool.definition for tool in self._tools.values()]

    def names(self) -> Sequence[str]:
        """Return all names."""
        return list(self._tools)


def tool_parts() -> Registry[RegisteredTool]:
    """Return the registered tools: files in `agent/tools`, and entry points."""
    return Registry("attractor.agent.tools", RegisteredTool, noun="tool")


def define(
    name: str, description: str, properties: Mapping[str, JsonObject], *, required: Sequence[str]
) -> ToolDefinition:
    """Define a tool with these properties only."""
    parameters: dict[str, Json] = {
        "type": "object",
        "properties": {name: dict(properties[name]) for name in properties},
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolDefinition(name, description, parameters)

"""A tool: what the model is told of it, and what executes it (§3.8)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.tools import ToolDefinition

Executor = Callable[[JsonObject, ExecutionEnvironment], Awaitable[str]]


@dataclass(frozen=True)
class RegisteredTool:
    """A definition with its executor; one that changes files never runs beside another such."""

    definition: ToolDefinition
    executor: Executor
    changes_files: bool = False

    @property
    def name(self) -> str:
        """What the model calls it by."""
        return self.definition.name

    async def execute(self, arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        """Do what the arguments say, and return what the model is told."""
        return await self.executor(arguments, environment)


class ToolRegistry(Mapping[str, RegisteredTool]):
    """Tools by name, in the order in which the model is told of them."""

    def __init__(self, tools: Sequence[RegisteredTool] = ()) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def __getitem__(self, name: str) -> RegisteredTool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def register(self, tool: RegisteredTool) -> None:
        """Add a tool; it takes the place of one that has its name."""
        self._tools[tool.name] = tool

    def unregister(self, name: str) -> None:
        """Remove a tool."""
        self._tools.pop(name, None)

    def definitions(self) -> Sequence[ToolDefinition]:
        """Return what the model is told."""
        return [tool.definition for tool in self._tools.values()]

    def names(self) -> Sequence[str]:
        """Return every name."""
        return list(self._tools)


def tool_parts() -> Registry[RegisteredTool]:
    """Return the tools that come as parts: a file of `agent/tools`, or an entry point."""
    return Registry("attractor.agent.tools", RegisteredTool, noun="tool")


def define(
    name: str, description: str, properties: Mapping[str, JsonObject], *, required: Sequence[str]
) -> ToolDefinition:
    """Define a tool whose parameters are these properties and no others."""
    parameters: dict[str, Json] = {
        "type": "object",
        "properties": {name: dict(one) for name, one in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolDefinition(name, description, parameters)

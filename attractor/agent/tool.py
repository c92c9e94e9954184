"""Tools: their definitions, executors and registry (§3.8)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.request import ToolDefinition

Executor = Callable[[JsonObject, ExecutionEnvironment], Awaitable[str]]


@dataclass(frozen=True)
class RegisteredTool:
    """A tool definition with its executor; tools that change files run one at a time."""

    definition: ToolDefinition
    executor: Executor
    changes_files: bool = False

    @property
    def name(self) -> str:
        """The name of the tool."""
        return self.definition.name

    async def execute(self, arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        """Execute a call and return the output for the model."""
        return await self.executor(arguments, environment)


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
        "properties": {name: dict(one) for name, one in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }
    return ToolDefinition(name, description, parameters)

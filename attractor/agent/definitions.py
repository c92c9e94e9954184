"""Agents as data: a folder `agents/NAME` with `agent.toml` and `prompt.md.j2`.

The agents of a project replace shipped agents of the same name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from attractor.agent.errors import InvalidAgent
from attractor.agent.events import SessionConfig
from attractor.agent.prompts import Prompt, find_agents, read_prompt
from attractor.agent.provider_profile import profile_parts
from attractor.agent.tool_calls.tool import Permissions, tool_parts
from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration, UnknownName
from attractor.base.files import file_error
from attractor.base.toml import Fault, InvalidToml, TomlMistakes, explain_faults, parse_toml
from attractor.config.projects import AGENT_FILE, PROMPT_FILE
from attractor.config.schema import keys_at
from attractor.config.settings import McpServerSettings
from attractor.config.tables import Modeled


def _as_duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('write a duration as text, such as "30m"')
    try:
        return parse_duration(value)
    except InvalidDuration as error:
        raise ValueError(f"{error.message}; {error.hint}") from error


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AgentLimits(_Table):
    """The limits of an agent for one attempt of a stage; None is no limit."""

    turns: int | None = Field(default=None, ge=1)
    rounds: int | None = Field(default=None, ge=1)
    cost_usd: float | None = Field(default=None, gt=0)
    time: Annotated[timedelta, BeforeValidator(_as_duration, json_schema_input_type=str)] | None = (
        None
    )


class AgentSettings(_Table):
    """The content of an `agent.toml`.

    Without `tools`, an agent has the tools of its profile.
    """

    description: str = ""
    model: str = ""
    profile: str = ""
    permissions: Permissions = Field(default=Permissions.WORKSPACE, strict=False)
    tools: Annotated[tuple[str, ...] | None, Field(strict=False)] = None
    limits: AgentLimits = AgentLimits()
    mcp: Mapping[str, Annotated[McpServerSettings, Modeled()]] = Field(
        default_factory=dict[str, McpServerSettings]
    )

    @field_validator("profile")
    @classmethod
    def _is_known_profile(cls, profile: str) -> str:
        if profile and profile not in (known := profile_parts()):
            raise _refused(UnknownName("profile", profile, known))
        return profile

    @field_validator("tools")
    @classmethod
    def _are_permitted(
        cls, tools: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        parts, permissions = tool_parts(), info.data.get("permissions")
        for name in tools or ():
            if name not in parts:
                raise _refused(UnknownName("tool", name, parts))
            needed = parts[name].needs
            if isinstance(permissions, Permissions) and not permissions.allows(needed):
                raise ValueError(f'{name} needs permissions = "{needed}"')
        return tools

    @field_validator("mcp")
    @classmethod
    def _may_use_servers(
        cls, mcp: Mapping[str, McpServerSettings], info: ValidationInfo
    ) -> Mapping[str, McpServerSettings]:
        if mcp and info.data.get("permissions") is Permissions.READ_ONLY:
            raise ValueError(f'MCP servers need permissions = "{Permissions.WORKSPACE}"')
        return mcp


def _refused(unknown: UnknownName) -> ValueError:
    # The only kind of exception that pydantic collects.
    return ValueError(f"{unknown.message}, {unknown.hint}")


@dataclass(frozen=True)
class AgentDefinition:
    """An agent: its settings, and the prompt that is added to the prompt of its profile."""

    name: str
    settings: AgentSettings
    prompt: Prompt

    def mcp_servers(
        self, shared: Mapping[str, McpServerSettings]
    ) -> Mapping[str, McpServerSettings]:
        """Return the MCP servers of the agent.

        These are its own servers and the shared servers of the settings, but only its own servers
        if it names its tools.
        """
        if not self.settings.permissions.allows(Permissions.WORKSPACE):
            return {}
        return {**(shared if self.settings.tools is None else {}), **self.settings.mcp}

    def limit(self, config: SessionConfig) -> SessionConfig:
        """Return the configuration of a session with the limits of the agent."""
        limits = self.settings.limits
        return replace(
            config,
            max_turns=limits.turns or config.max_turns,
            max_tool_rounds_per_input=limits.rounds or config.max_tool_rounds_per_input,
            max_cost_usd=limits.cost_usd or config.max_cost_usd,
        )


UNNAMED = AgentDefinition("", AgentSettings(), Prompt(Path(), ""))
"""The agent of a stage that names none."""


class Agents(Mapping[str, AgentDefinition]):
    """The agents by name; the file of an agent is read when the agent is needed."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders
        self._read: dict[str, AgentDefinition] = {}

    @cached_property
    def _found(self) -> Mapping[str, Path]:
        return find_agents(self._folders)

    def __getitem__(self, name: str) -> AgentDefinition:
        if name not in self._read:
            if name not in self._found:
                raise UnknownName("agent", name, self._found)
            self._read[name] = read_agent(self._found[name])
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def read_agent(folder: Path) -> AgentDefinition:
    """Read an agent from its folder."""
    file = folder / AGENT_FILE
    try:
        text = file.read_text("utf-8")
        table = parse_toml(text)
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except UnicodeDecodeError as cause:
        raise InvalidAgent(f"{file}: {cause}", hint="save it as UTF-8") from cause
    except InvalidToml as error:
        raise InvalidAgent(error.at(str(file)), hint=error.hint) from error
    try:
        settings = AgentSettings.model_validate(table)
    except ValidationError as error:
        mistakes = TomlMistakes(text, str(file))
        mistakes.extend(explain_faults(error.errors(include_url=False), table, known=_keys))
        raise mistakes.error(InvalidAgent) from error
    prompt = read_prompt(folder / PROMPT_FILE)
    # Mistakes are reported now, not in the middle of a run.
    prompt.render(model="", tools=settings.tools or (), permissions=settings.permissions.value)
    return AgentDefinition(folder.name, settings, prompt)


def _keys(fault: Fault) -> Sequence[str]:
    """Return the keys of the table with an unknown key."""
    below = {"limits": AgentLimits, "mcp": McpServerSettings}
    outer, *inner = fault["loc"]
    return keys_at(below[str(outer)] if inner else AgentSettings, ())

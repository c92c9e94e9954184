"""What suits the models of one provider: tools, switches and the system prompt (§3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from attractor.agent.prompts import read_prompt
from attractor.agent.surroundings import Surroundings
from attractor.agent.tool import ToolRegistry, tool_parts
from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.base.registry import Registry
from attractor.llm.tools import ToolDefinition


@dataclass(frozen=True, kw_only=True)
class ProfileTraits:
    """What one provider's models are used to, as data; a file of `agent/profiles` holds it."""

    id: str
    model_prefixes: tuple[str, ...]
    tool_names: Sequence[str]
    project_documents: Sequence[str]
    context_window_size: int
    default_command_timeout_ms: int | None = None
    supports_reasoning: bool = True
    supports_streaming: bool = False
    supports_parallel_tool_calls: bool = True
    provider_options: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])


@dataclass(frozen=True)
class ProviderProfile:
    """A provider's traits with a model, the words it is given and the tools it may call."""

    traits: ProfileTraits
    model: str
    base_prompt: str
    tool_registry: ToolRegistry

    @property
    def id(self) -> str:
        """The provider's name."""
        return self.traits.id

    def tools(self) -> Sequence[ToolDefinition]:
        """Return what the model is told of its tools."""
        return self.tool_registry.definitions()

    def provider_options(self) -> Mapping[str, JsonObject]:
        """Return what goes to this provider alone."""
        return self.traits.provider_options

    def build_system_prompt(
        self, surroundings: Surroundings, *, documents: str = "", instructions: str = ""
    ) -> str:
        """Lay the prompt in layers, of which a later one has precedence (§6.1)."""
        layers = (
            self.base_prompt,
            surroundings.block(),
            _describe(self.tools()),
            documents,
            instructions,
        )
        return "\n\n".join(layer.strip() for layer in layers if layer.strip())


def profile_parts() -> Registry[ProfileTraits]:
    """Return the traits by provider: a file of `agent/profiles`, or an entry point."""
    return Registry("attractor.agent.profiles", ProfileTraits, noun="profile")


def create_profile(
    provider: str, *, model: str, prompt_folders: Sequence[Path] = ()
) -> ProviderProfile:
    """Make the profile of a provider, with tools of its own that more can be added to."""
    traits = profile_parts()[provider]
    parts = tool_parts()
    return ProviderProfile(
        traits,
        model,
        read_prompt(provider, folders=prompt_folders),
        ToolRegistry([parts[name] for name in traits.tool_names]),
    )


def find_provider(model: str) -> str:
    """Return the provider that a model's name gives away; nothing when it does not."""
    parts = profile_parts()
    return next((name for name in parts if model.startswith(parts[name].model_prefixes)), "")


def _describe(tools: Sequence[ToolDefinition]) -> str:
    if not tools:
        return ""
    return "\n".join(["# Tools", "", *(f"- {tool.name}: {tool.description}" for tool in tools)])

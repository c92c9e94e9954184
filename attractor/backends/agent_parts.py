"""What the agent backend is built from: the client, the model to take, the session's limits."""

from dataclasses import dataclass
from pathlib import Path

from attractor.agent.provider_profile import find_provider
from attractor.agent.session_config import SessionConfig
from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import UsageError
from attractor.engine.seams import Stage
from attractor.llm.client import Client

# The default of the attribute `reasoning_effort` (attractor-spec 2.6).
_EFFORT = "high"


@dataclass(frozen=True, kw_only=True)
class AgentParts:
    """The client, and what a stage is done with where its node says nothing."""

    client: Client
    model: str = ""
    provider: str = ""
    config: SessionConfig = SessionConfig()
    clock: Clock = SystemClock()
    prompt_folders: tuple[Path, ...] = ()

    @property
    def default_provider(self) -> str:
        """Who serves the default model."""
        return self.provider or find_provider(self.model)


@dataclass(frozen=True)
class ModelChoice:
    """Which model does a stage, and how hard it thinks."""

    provider: str
    model: str
    reasoning_effort: str


def choose_model(stage: Stage, parts: AgentParts) -> ModelChoice:
    """Return what the node says, else the default; a model gives its provider away."""
    attributes = stage.node.attributes
    named = attributes.text("llm_model")
    provider = attributes.text("llm_provider") or find_provider(named) or parts.default_provider
    # The default model is no model of another provider.
    model = named or (parts.model if provider == parts.default_provider else "")
    if not model or not provider:
        missing = "provider serves the model " + repr(model) if model else "model does the stage"
        raise UsageError(
            f"nothing says which {missing} of node {stage.node.id!r}",
            hint="set llm_model and llm_provider on the node, or a default in the configuration",
        )
    return ModelChoice(provider, model, attributes.text("reasoning_effort") or _EFFORT)

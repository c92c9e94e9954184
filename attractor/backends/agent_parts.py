"""What the agent backend is built from: the client, the model to take, the session's limits."""

from pathlib import Path

from attractor.agent.session_state import SessionConfig
from attractor.backends.model_choice import ModelChoice, ModelDefaults
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.interfaces import Stage
from attractor.llm.client import Client


@dataclass(frozen=True, kw_only=True)
class AgentParts:
    """The client, and what a stage is done with where its node says nothing."""

    client: Client
    model: str = ""
    provider: str = ""
    config: SessionConfig = SessionConfig()
    clock: Clock = SystemClock()
    prompt_folders: tuple[Path, ...] = ()


def choose_model(stage: Stage, parts: AgentParts) -> ModelChoice:
    """Return the model of a stage, or refuse: the look before the run finds what is missing."""
    choice = ModelDefaults(parts.model, parts.provider).choose(stage.node)
    if not choice.model or not choice.provider:
        model = choice.model
        missing = "provider serves the model " + repr(model) if model else "model does the stage"
        raise UsageError(
            f"nothing says which {missing} of node {stage.node.id!r}",
            hint="set llm_model and llm_provider on the node or the graph, or give --model",
        )
    return choice

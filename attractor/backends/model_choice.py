"""Which model does a stage: what its node says, else what the run says."""

from attractor.agent.provider_profile import find_provider
from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import Node

MODEL, PROVIDER = "llm_model", "llm_provider"
# The default of the attribute `reasoning_effort` (attractor-spec 2.6).
_EFFORT = "high"


@dataclass(frozen=True)
class ModelChoice:
    """Which model does a stage, and how hard it thinks; a part that nothing says is empty."""

    provider: str
    model: str
    reasoning_effort: str = _EFFORT


@dataclass(frozen=True)
class ModelDefaults:
    """The model and provider of nodes that name none."""

    model: str = ""
    provider: str = ""

    def choose(self, node: Node) -> ModelChoice:
        """Return what the node says, else the default; a model gives its provider away."""
        named = node.attributes.text(MODEL)
        own = self.provider or find_provider(self.model)
        provider = node.attributes.text(PROVIDER) or find_provider(named) or own
        # The default model is no model of another provider.
        model = named or (self.model if provider == own else "")
        return ModelChoice(provider, model, node.attributes.text("reasoning_effort") or _EFFORT)

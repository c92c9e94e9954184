"""What every backend is built from."""

from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.engine.simulation.walk import NO_OUTCOMES, SimulatedOutcomes

if TYPE_CHECKING:  # the client of the models is slow to load, and not every run has one
    from attractor.backends.agent_parts import AgentParts


@dataclass(frozen=True, kw_only=True)
class BackendParts:
    """What each backend needs, under the backend's name."""

    simulate: SimulatedOutcomes = NO_OUTCOMES
    agent: "AgentParts | None" = None

"""Sets the strategy of the step that allocates."""

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Level, Morph, Risk, Touched, field_slot
from attractor.growth.specification.graph import SpecGraph, SpecNode


class Allocate(Morph):
    """Sets the strategy of the step that allocates."""

    organ = "workflows"
    level = Level.POLICY
    risk = Risk.MEDIUM

    strategy: str
    step: str = ""

    def in_words(self) -> str:
        """Return the change in words."""
        of = f" in “{self.step}”" if self.step else ""
        return f"Gives things out in another way{of}: “{self.strategy}”."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset({field_slot("strategy", self._step(graph).id)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        return graph.replace(self._step(graph).with_fields(strategy=self.strategy))

    def _step(self, graph: SpecGraph) -> SpecNode:
        if self.step:
            return graph.find(self.step, "step")
        found = [one for one in graph.of_kind("step") if one.id.startswith("allocate")]
        if len(found) != 1:
            ids = ", ".join(one.id for one in found) or "none"
            hint = "name the step with `step`"
            raise InvalidMorph(f"allocate: {len(found)} steps allocate: {ids}", hint=hint)
        return found[0]


part = Allocate

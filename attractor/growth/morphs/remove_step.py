"""Removes a step that no other node uses."""

from attractor.growth.morph import Morph, Risk, Touched, remove_step, slots_around
from attractor.growth.specification.graph import SpecGraph


class RemoveStep(Morph):
    """Removes a step that no other node uses."""

    organ = "workflows"
    risk = Risk.HIGH
    sentence = "Removes the step {step}."

    step: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        step = graph.find(self.step, "step").id
        return Touched(frozenset({graph.parents[step]}), slots_around(graph, step))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        return remove_step(graph, graph.find(self.step, "step").id)


part = RemoveStep

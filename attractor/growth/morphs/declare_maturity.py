"""Declares that the app is mature: from now on it grows by minor and major stages."""

from attractor.growth.morph import Level, Morph, Touched
from attractor.growth.specification.graph import SpecGraph


class DeclareMaturity(Morph):
    """Declares that the app is mature, in a plan of its own; the specification stays."""

    organ = "workflows"
    level = Level.GOAL
    sentence = "Changes nothing: people call the app grown-up."

    def touched(self, graph: SpecGraph) -> Touched:
        """Write the slot of the maturity, so that two plans that declare it collide."""
        return Touched(writes=frozenset({"maturity"}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the same graph."""
        return graph


part = DeclareMaturity

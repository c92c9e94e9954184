"""Adds a source of data or evidence."""

from attractor.growth.morph import Morph, Touched, add_child, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class AddSource(Morph):
    """Adds a source of data or evidence."""

    organ = "ingestors"
    sentence = "Uses a new source: {name}."

    name: str

    def touched(self, graph: SpecGraph) -> Touched:
        """Write the new source."""
        return Touched(writes=frozenset({slug(self.name)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Add the source to the evidence policy."""
        return add_child(graph, "evidence_policy", new_node(graph, self.name, "source"))


part = AddSource

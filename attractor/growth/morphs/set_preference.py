"""Adds a preference, or replaces one."""

from attractor.growth.morph import Morph, Touched, add_child, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class SetPreference(Morph):
    """Adds a preference, or replaces one."""

    organ = "surfaces"

    name: str
    replaces: str = ""

    def in_words(self) -> str:
        """Return the change in words."""
        instead = f", instead of “{self.replaces}”" if self.replaces else ""
        return f"Follows the wish “{self.name}”{instead}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        old = {graph.find(self.replaces, "preference").id} if self.replaces else {slug(self.name)}
        return Touched(writes=frozenset(old))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        if self.replaces:
            old = graph.find(self.replaces, "preference")
            return graph.replace(old.with_fields(name=self.name))
        return add_child(graph, "personalization", new_node(graph, self.name, "preference"))


part = SetPreference

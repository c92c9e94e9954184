"""Adds panels to the home screen."""

from attractor.growth.morph import Morph, Touched, add_child, new_node, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddSurface(Morph):
    """Adds panels to the home screen, which may show entities."""

    organ = "surfaces"
    sentence = "Shows something new: {panels}."

    panels: tuple[str, ...]
    shows: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read the shown entities, and write the new panels."""
        return Touched(
            frozenset(targets_of(graph, self.shows, "panel", "shows")),
            frozenset(slug(panel) for panel in self.panels),
        )

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Add the panels to the interface."""
        shown = targets_of(graph, self.shows, "panel", "shows")
        for name in self.panels:
            panel = new_node(graph, name, "panel").with_targets(Relation.SHOWS, shown)
            graph = add_child(graph, "interface", panel)
        return graph


part = AddSurface

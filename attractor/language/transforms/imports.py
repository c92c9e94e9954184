"""Puts the graph of another file in place of a node of the type `import`."""

from attractor.language import when_needed
from attractor.language.graph import Graph
from attractor.language.surroundings import Surroundings

TYPE = "import"


class Imports:
    """Imports graphs, and those that they import; without files every placeholder stays."""

    order = 10

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with every import in place; one that cannot be read stays."""
        if self._around.files is None or not graph.of_type(TYPE):
            return graph
        return when_needed.import_files(graph, self._around, self._around.files)


part = Imports

"""Puts the graph of another file in place of a node of the type `import`."""

from attractor.language.graph.graph import Graph
from attractor.language.preparation.transform import TransformContext

TYPE = "import"


class Imports:
    """Imports graphs, and those that they import; without files every placeholder stays."""

    order = 10

    def __init__(self, around: TransformContext) -> None:
        self._around = around

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with every import in place; one that cannot be read stays."""
        if self._around.files is None or not graph.of_type(TYPE):
            return graph
        # Imported here: few callers need it.
        from attractor.language.preparation.imports import import_files

        return import_files(graph, self._around, self._around.files)


part = Imports

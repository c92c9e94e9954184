"""Replaces nodes of type `import` by the graphs of other files."""

from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import TransformContext

TYPE = "import"


class Imports:
    """Imports graphs recursively; without files every placeholder stays."""

    order = 10

    def __init__(self, context: TransformContext) -> None:
        self._context = context

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with its imports replaced; the placeholder of an invalid file stays."""
        if self._context.files is None or not graph.of_type(TYPE):
            return graph
        # Few pipelines have imports.
        from attractor.language.preparation.imports import import_files

        return import_files(graph, self._context, self._context.files)


part = Imports

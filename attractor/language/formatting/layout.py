"""The one layout of a pipeline, be it a text or a graph."""

from attractor.language.collecting import collection_paused
from attractor.language.formatting.graphs import write_graph
from attractor.language.formatting.texts import format_text
from attractor.language.graph import Graph


def format(pipeline: Graph | str) -> str:
    """Return a pipeline as text in the one layout, which means the same to Graphviz.

    A text keeps its comments and the order of its statements; one with mistakes raises ParseError.
    """
    with collection_paused():
        return format_text(write_graph(pipeline) if isinstance(pipeline, Graph) else pipeline)

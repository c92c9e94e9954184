"""A colour is one that Graphviz knows.

What it does: reports a `color`, `bgcolor`, `fillcolor` or `fontcolor` that is no colour. One is a
name that Graphviz knows (`lightgreen`), or `#` with three, six or eight hexadecimal digits; several
stand between colons (`red:blue`).

Why: drawings leave it out. Whoever wrote it sees a box like all others, and does not know why.

Example:

    digraph Example {
        start [shape=Mdiamond]
        ship  [prompt="Ship it", fillcolor=lightgren]
        exit  [shape=Msquare]
        start -> ship -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        ship  [prompt="Ship it", fillcolor=lightgreen]
        exit  [shape=Msquare]
        start -> ship -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary

_COLORS = frozenset({"bgcolor", "color", "fillcolor", "fontcolor"})


class ColorKnown:
    """Colours are known."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each colour that is none; few pipelines have any."""
        keys = graph.node_keys | graph.edge_keys | graph.attributes.by_key.keys()
        keys |= {key for one in graph.subgraphs for key in one.attributes.by_key}
        if not _COLORS.isdisjoint(keys):
            # Imported here: few callers need it.
            from attractor.language.drawing.colors import unknown_colors

            yield from unknown_colors(graph, self.severity)


part = ColorKnown()

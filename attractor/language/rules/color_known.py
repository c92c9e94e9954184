"""Graphviz knows every color.

What it does: reports an unknown `color`, `bgcolor`, `fillcolor` or `fontcolor`. A color is a name
of Graphviz (`lightgreen`), or `#` with three, six or eight hexadecimal digits; a list has colons
(`red:blue`).

Why: a drawing ignores an unknown color.

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
from attractor.language.graph.attribute_catalogue import COLORS
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    keys = graph.node_keys | graph.edge_keys | graph.attributes.by_key.keys()
    keys |= {key for subgraph in graph.subgraphs for key in subgraph.attributes.by_key}
    if not COLORS.isdisjoint(keys):
        # Few pipelines have colours, and the import reads the table of their names.
        from attractor.language.drawing.style import unknown_colors

        yield from unknown_colors(graph)


part = BuiltInRule(Severity.WARNING, _apply)

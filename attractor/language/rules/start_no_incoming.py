"""No edge leads to the start.

What it does: reports each edge whose target is the start node.

Why: a run begins at the start, and cannot return to it. To start over, return to the first stage
after the start.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
        work -> start [condition="outcome=fail"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_retries=2]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in graph.starts:
        for edge in graph.incoming(node.id):
            yield error(
                f"an edge leads from {quote(edge.source)} to the start",
                edge.span,
                edge=(edge.source, edge.target),
                fix="change its target to the first stage after the start",
            )


part = BuiltInRule(Severity.ERROR, _apply)

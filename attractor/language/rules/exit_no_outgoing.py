"""No edge leaves the exit.

What it does: reports each edge whose source is the exit node.

Why: the run ends at the exit. An edge that leaves the exit is never taken.

Example:

    digraph Example {
        start   [shape=Mdiamond]
        work    [prompt="Work"]
        cleanup [prompt="Clean up"]
        exit    [shape=Msquare]
        start -> work -> exit
        exit -> cleanup
    }

Instead:

    digraph Example {
        start   [shape=Mdiamond]
        work    [prompt="Work"]
        cleanup [prompt="Clean up"]
        exit    [shape=Msquare]
        start -> work -> cleanup -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in graph.exits:
        for edge in graph.outgoing(node.id):
            yield error(
                f"an edge leads from the exit to {quote(edge.target)}",
                edge.span,
                edge=(edge.source, edge.target),
                fix=f"place {quote(edge.target)} between the previous stage and the exit, or "
                "remove the edge",
            )


part = BuiltInRule(Severity.ERROR, _apply)

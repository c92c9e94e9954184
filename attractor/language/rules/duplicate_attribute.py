"""An attribute is set once.

What it does: reports an attribute that occurs twice in one list, and an attribute that two
declarations of a node, the graph or a subgraph set to different values. `graph [...]` and
`key=value` both set attributes of the graph. A second `node [...]` or `edge [...]` is not a
duplicate: it applies to the following nodes or edges.

Why: only the last value counts. After copying a line, the last value is often wrong.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Write the code", prompt="Write the tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Write the code and the tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for repeat in graph.repeats:
        of_node = f" of {quote(repeat.node)}" if repeat.node else ""
        line = repeat.lost.span.line
        where = f" on line {line}" if line != repeat.kept.span.line else ""
        yield warning(
            f"duplicate attribute {quote(repeat.kept.key)}{of_node}: already set{where}",
            repeat.kept.span,
            node=repeat.node,
            fix="remove one of them",
        )


part = BuiltInRule(Severity.WARNING, _apply)

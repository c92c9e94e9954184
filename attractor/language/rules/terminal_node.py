"""A pipeline has exactly one exit node.

What it does: looks for a node of shape `Msquare`. Without such a node, looks for the id `exit`,
`Exit`, `end` or `End`. Reports a missing or second exit node.

Why: a run succeeds when it reaches the exit. Without an exit no run can succeed.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        start -> work
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.rules.start_node import report_ends


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    return report_ends(graph, "exit", graph.exits, "route all paths to one exit")


part = BuiltInRule(Severity.ERROR, _apply)

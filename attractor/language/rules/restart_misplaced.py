"""An edge with `loop_restart` is at a place where a run can restart.

What it does: reports `loop_restart` on an edge to the exit, on an edge inside a branch of a
`parallel` or `for_each` node, and on an edge to such a branch.

Why: the run ends at an edge with `loop_restart`, and a new run begins at the target of the edge. A
run cannot begin at the exit, and a branch cannot end the run for the other branches.

Example:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        check [prompt="Is it right?"]
        two   [prompt="Solve it with a tree"]
        best  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> check
        check -> best [condition="outcome=success"]
        check -> one  [condition="outcome=fail", loop_restart=true]
        fork -> two -> best
        best -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        best  [shape=tripleoctagon]
        check [prompt="Is it right?"]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> best
        fork -> two -> best
        best -> check
        check -> exit [condition="outcome!=fail"]
        check -> fork [condition="outcome=fail", loop_restart=true]
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.branches import find_misplaced_restarts
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for restart in find_misplaced_restarts(graph):
        # The rule `branch_leaves` reports an edge that leaves its branch.
        if not restart.leaves:
            edge = restart.edge
            yield error(
                f"loop_restart on {edge.source} -> {edge.target}: {restart.why}",
                edge.span,
                edge=(edge.source, edge.target),
                fix=restart.fix,
            )


part = BuiltInRule(Severity.ERROR, _apply)

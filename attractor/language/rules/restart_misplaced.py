"""An edge with `loop_restart` lies where a run can begin anew.

What it does: reports `loop_restart` on an edge that leads to the exit, on one within a branch of a
parallel node or of one of type `for_each`, and on one that is itself such a branch.

Why: the run ends at such an edge, and another one begins at its target. Behind the exit there is
nothing to begin with. A branch is one of several that run at the same time: it cannot end the run
for all of them.

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
        check -> exit [condition="outcome=success"]
        check -> fork [condition="outcome=fail", loop_restart=true]
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.branches import find_misplaced
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary


class RestartMisplaced:
    """Runs begin anew where they can."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each edge at which no run can begin anew."""
        for one in find_misplaced(graph):
            # What leaves its branch is told of that already.
            if not one.leaves:
                edge = one.edge
                yield Diagnostic(
                    self.severity,
                    f"loop_restart on {edge.source} -> {edge.target}: {one.why}",
                    edge.span,
                    edge=(edge.source, edge.target),
                    fix=one.fix,
                )


part = RestartMisplaced()

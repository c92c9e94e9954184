"""A parallel branch ends where the branches meet.

What it does: reports an edge from a branch of a `parallel` or `for_each` node to any other place
than the node where the branches meet: to the exit, to a stage after that node, or to a stage before
the fork.

Why: branches run at the same time. A single branch can neither end the run nor jump back for all
branches.

Example:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        best  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> best
        fork -> two -> best
        one -> exit [condition="outcome=fail"]
        best -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        best  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> best
        fork -> two -> best
        best -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.branches import find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for fork in find_forks(graph):
        for edge in fork.leaks:
            yield error(
                f"the edge leaves a branch of {quote(fork.node)} before the branches meet",
                edge.span,
                edge=(edge.source, edge.target),
                fix=f"change its target to {fork.meeting}, where the branches meet",
            )


part = BuiltInRule(Severity.ERROR, _apply)

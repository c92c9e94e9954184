"""An edge to a branch has no condition.

What it does: reports a `condition` on an edge out of a node of type `parallel` or `for_each`.

Why: the edges of such a node are branches, and every branch runs. The condition is ignored, so a
branch that is meant for a failure always runs.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        fork  [shape=component]
        tests [prompt="Write tests"]
        docs  [prompt="Write docs"]
        join  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> work -> fork
        fork -> tests
        fork -> docs [condition="outcome=success"]
        tests -> join
        docs -> join
        join -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        fork  [shape=component]
        tests [prompt="Write tests"]
        docs  [prompt="Write docs"]
        join  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> work
        work -> fork [condition="outcome=success"]
        work -> exit [condition="outcome!=success"]
        fork -> tests -> join
        fork -> docs -> join
        join -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    forks = (node for type_ in sorted(FORKS) for node in graph.of_type(type_))
    for edge in (edge for node in forks for edge in graph.outgoing(node.id)):
        if edge.is_conditional:
            yield warning(
                f"the condition is ignored: {quote(edge.source)} runs all of its branches",
                edge.span,
                edge=(edge.source, edge.target),
                fix="remove the condition, or put it on an edge before the fork or after the "
                "branches join",
            )


part = BuiltInRule(Severity.WARNING, _apply)

"""A loop with a stage that costs money has a bound of its own.

What it does: reports a loop with an agent, a model or a child pipeline if the loop can repeat
without passing a node with `max_visits`, and the graph has no `max_node_visits`.

Why: each round costs money. Without a bound of its own, the loop ends only at the default of 10
visits, as a failure.

Example:

    digraph Example {
        start [shape=Mdiamond]
        fix   [prompt="Fix what make test reports"]
        test  [shape=parallelogram, tool_command="make test"]
        exit  [shape=Msquare]
        start -> test
        test -> exit [condition="outcome=success"]
        test -> fix  [condition="outcome=fail"]
        fix -> test
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        fix   [prompt="Fix what make test reports", max_visits=4]
        test  [shape=parallelogram, tool_command="make test"]
        exit  [shape=Msquare]
        start -> test
        test -> exit [condition="outcome=success"]
        test -> fix  [condition="outcome=fail"]
        fix -> test
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.graph.paid_loops import (
    DEFAULT_PAID_VISITS,
    costs_money,
    unbounded_paid_loops,
)
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for loop in unbounded_paid_loops(graph):
        paid = next(graph.nodes[id_] for id_ in loop if costs_money(graph.nodes[id_]))
        yield warning(
            f"a loop repeats {quote(paid.id)}, which costs money, up to "
            f"{DEFAULT_PAID_VISITS} times: it has no bound of its own",
            paid.span,
            node=paid.id,
            fix=f"set max_visits on {quote(paid.id)}, or max_node_visits on the graph",
        )


part = BuiltInRule(Severity.WARNING, _apply)

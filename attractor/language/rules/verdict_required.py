"""A goal gate with a model needs a reported outcome.

What it does: reports a goal gate with a model if neither the node nor the graph sets
`require_verdict`.

Why: a model that ends without reporting an outcome counts as a success, except in runs with a
suite. At a goal gate this opens the exit without a verdict.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [prompt="Review the change", goal_gate=true, retry_target=review]
        exit   [shape=Msquare]
        start -> review -> exit
    }

Instead:

    digraph Example {
        require_verdict = true
        start  [shape=Mdiamond]
        review [prompt="Review the change", max_visits=4, goal_gate=true, retry_target=review]
        exit   [shape=Msquare]
        start -> review -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, info
from attractor.language.graph.graph import DEFAULT_TYPE, Graph, goal_gates
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if graph.attributes.text("require_verdict"):
        return
    for node in goal_gates(graph):
        if node.type == DEFAULT_TYPE and not node.attributes.text("require_verdict"):
            yield info(
                f"the goal gate {quote(node.id)} succeeds without a reported outcome",
                node.attributes.by_key["goal_gate"].span,
                node=node.id,
                fix="add require_verdict=true",
            )


part = BuiltInRule(Severity.INFO, _apply)

"""A goal gate with a model needs a reported outcome.

What it does: reports a goal gate with a model if `require_verdict=false` or `auto_status=true` lets
it succeed without a report, and a goal gate of type `prompt`, which cannot report.

Why: a model that ends without reporting an outcome then counts as a success, whatever it said. At a
goal gate this opens the exit without a verdict.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [prompt="Review the change", goal_gate=true, require_verdict=false, retry_target=fix]
        fix    [prompt="Fix it", max_visits=4]
        exit   [shape=Msquare]
        start -> fix -> review -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        review [prompt="Review the change", goal_gate=true, retry_target=fix]
        fix    [prompt="Fix it", max_visits=4]
        exit   [shape=Msquare]
        start -> fix -> review -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import DEFAULT_TYPE, Graph, Node, goal_gates, required_verdict
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in goal_gates(graph):
        if fix := _fix(graph, node):
            yield warning(
                f"the goal gate {quote(node.id)} succeeds without a reported outcome",
                node.attributes.by_key["goal_gate"].span,
                node=node.id,
                fix=fix,
            )


def _fix(graph: Graph, node: Node) -> str:
    """Return the fix of a goal gate that succeeds without a report, or an empty text."""
    if node.type == "prompt":
        return "remove type=prompt, so that an agent reports"
    if node.type != DEFAULT_TYPE:
        return ""
    if node.attributes.flag("auto_status"):
        return "remove auto_status=true"
    return "remove require_verdict=false" if required_verdict(graph, node) is False else ""


part = BuiltInRule(Severity.WARNING, _apply)

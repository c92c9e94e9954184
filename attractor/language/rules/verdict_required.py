"""A goal gate, or a stage with `require_verdict=true`, needs a reported outcome.

What it does: reports a goal gate with a model if `require_verdict=false` or `auto_status=true` lets
it succeed without a report, a stage on which `auto_status=true` disables `require_verdict=true`,
and both on a node of type `prompt`, which cannot report.

Why: a model that ends without reporting an outcome then counts as a success, whatever it said. At a
goal gate this opens the exit without a verdict. With `require_verdict=true`, a stage fails without
a report, so a node of type `prompt` always fails.

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

_KEY = "require_verdict"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    required = [node for node in graph.nodes_with(_KEY) if node.attributes.flag(_KEY)]
    for node in (*goal_gates(graph), *(node for node in required if not node.is_goal_gate)):
        if fix := _fix(graph, node):
            kind, key = ("goal gate", "goal_gate") if node.is_goal_gate else ("stage", _KEY)
            always_fails = required_verdict(graph, node) and not node.attributes.flag("auto_status")
            ends = "always fails" if always_fails else "succeeds"
            yield warning(
                f"the {kind} {quote(node.id)} {ends} without a reported outcome",
                node.attributes.by_key[key].span,
                node=node.id,
                fix=fix,
            )


def _fix(graph: Graph, node: Node) -> str:
    """Return the fix of a node whose stages cannot or need not report, or an empty text."""
    if node.type == "prompt":
        return "remove type=prompt, so that an agent reports"
    if node.type != DEFAULT_TYPE:
        return ""
    if node.attributes.flag("auto_status"):
        return "remove auto_status=true"
    return "remove require_verdict=false" if required_verdict(graph, node) is False else ""


part = BuiltInRule(Severity.WARNING, _apply)

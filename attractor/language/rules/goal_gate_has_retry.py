"""A goal gate has a retry target.

What it does: reports a node with `goal_gate=true` if neither the node nor the graph has a
`retry_target` or `fallback_retry_target`.

Why: the exit stays closed until the gate succeeds. Without a retry target the run can only fail.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test", goal_gate=true]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test", goal_gate=true, retry_target="tests"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.attribute_catalogue import RETRY_TARGETS
from attractor.language.graph.graph import Graph, goal_gates
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if _has_target(graph.attributes):
        return
    for node in goal_gates(graph):
        if not _has_target(node.attributes):
            value = node.attributes.by_key["goal_gate"]
            yield warning(
                f"the goal gate {quote(node.id)} has no retry_target",
                value.span if value.span.is_somewhere else node.span,
                node=node.id,
                fix=f'add retry_target="{node.id}" or another node',
            )


def _has_target(attributes: Attributes) -> bool:
    return any(attributes.text(key) for key in RETRY_TARGETS)


part = BuiltInRule(Severity.WARNING, _apply)

"""Some edge can be taken, whatever a stage comes to.

What it does: reports a node all of whose edges have conditions, when none of them holds for
something that the stage may well come to. It tries every value that the conditions name, and one
that they do not name. Success is always expected, a failure only behind a conditional, a partial
success only with `allow_partial`.

Why: a stage that can take none of its edges fails the run, with the reason `no_route`.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        triage [prompt="Set context.size to small or large"]
        patch  [prompt="Patch"]
        plan   [prompt="Plan"]
        exit   [shape=Msquare]
        start -> triage
        triage -> patch [condition="context.size=small"]
        triage -> plan  [condition="context.size=large"]
        plan -> patch -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        triage [prompt="Set context.size to small or large"]
        patch  [prompt="Patch"]
        plan   [prompt="Plan"]
        exit   [shape=Msquare]
        start -> triage
        triage -> patch [condition="context.size=small"]
        triage -> plan
        plan -> patch -> exit
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.conditions import Comparison
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import Edge, Graph, Node
from attractor.language.possibilities import (
    FAIL,
    PARTIAL_SUCCESS,
    SUCCESS,
    assignments,
    words_for,
)
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote

# A person chooses among edges that can be taken; the edges of a parallel node are branches.
_SILENT = frozenset({"wait.human", "parallel", "exit"})
_SUCCESS = Comparison("outcome", SUCCESS)


class FallbackEdge:
    """There is a way on."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node that could be left by no edge."""
        for node in graph.nodes.values():
            edges = graph.outgoing(node.id)
            if not edges or not all(edge.is_conditional for edge in edges) or node.type in _SILENT:
                continue
            case = _uncovered(node, edges)
            if case:
                yield Diagnostic(
                    self.severity,
                    f"no edge out of {quote(node.id)} can be taken when {case}",
                    node.span,
                    node=node.id,
                    fix="add an edge without a condition",
                )


def _uncovered(node: Node, edges: Sequence[Edge]) -> str:
    """Return what no edge is there for, in words."""
    conditions, expected = [edge.condition for edge in edges], _expected(node)
    if len(expected) == 1 and _SUCCESS in conditions:
        return ""
    for values in assignments(conditions, expected) or ():
        if not any(condition.holds(values.__getitem__) for condition in conditions):
            return words_for(values)
    return ""


def _expected(node: Node) -> Sequence[str]:
    if node.type == "conditional":
        return (SUCCESS, FAIL)
    return (SUCCESS, PARTIAL_SUCCESS) if node.attributes.flag("allow_partial") else (SUCCESS,)


part = FallbackEdge()

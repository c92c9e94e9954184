"""What looks like the way of a failure is one.

What it does: reports an edge without a condition that a success never takes, because another edge
is there for it, and a failure does not take either.

Why: after a failure an edge without a condition is no way on, or every pipeline would run on over
its failures. Only an edge into a conditional is taken, which exists to judge. The run ends there,
though the drawing says otherwise.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test"]
        mend  [prompt="Mend what the tests found"]
        exit  [shape=Msquare]
        start -> tests
        tests -> exit [condition="outcome=success"]
        tests -> mend
        mend -> tests
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test"]
        mend  [prompt="Mend what the tests found"]
        exit  [shape=Msquare]
        start -> tests
        tests -> exit [condition="outcome=success"]
        tests -> mend [condition="outcome=fail"]
        mend -> tests
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.conditions import OUTCOME_KEYS, Condition
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import Edge, Graph, Node
from attractor.language.possibilities import FAIL, SUCCESS, could_hold
from attractor.language.vocabulary import Vocabulary
from attractor.language.ways import failure_targets
from attractor.language.wording import quote

# These do not fail, or their edges are no ways on after a failure.
_SILENT = frozenset({"start", "exit", "conditional", "parallel"})


class FailureFallsThrough:
    """Failures go where it looks."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each edge that neither success nor failure takes."""
        for node in graph.nodes.values():
            edges = graph.outgoing(node.id)
            if len(edges) < 2 or node.type in _SILENT:
                continue
            plain = [edge for edge in edges if not edge.is_conditional]
            guards = [edge.condition for edge in edges if edge.is_conditional]
            if not plain or not any(map(_takes_every_success, guards)):
                continue
            if not any(could_hold(one, [FAIL]) for one in guards) and _ends(graph, node, plain):
                yield from self._report(node, plain)

    def _report(self, node: Node, plain: Sequence[Edge]) -> Iterator[Diagnostic]:
        for edge in plain:
            yield Diagnostic(
                self.severity,
                f"a failure of {quote(node.id)} does not take this edge: the run ends there",
                edge.span,
                edge=(edge.source, edge.target),
                fix='add condition="outcome=fail"',
            )


def _takes_every_success(condition: Condition) -> bool:
    asks_more = condition.keys() - OUTCOME_KEYS
    return not asks_more and could_hold(condition, [SUCCESS])


def _ends(graph: Graph, node: Node, plain: Sequence[Edge]) -> bool:
    """Tell whether a failure that no condition takes ends the run (ruling R2)."""
    nearest = node if node.attributes.text("on_failure") else graph
    jumps = [*failure_targets(node.attributes)]
    if node.is_goal_gate:
        jumps += failure_targets(graph.attributes)
    judges = (graph.nodes.get(edge.target) for edge in plain)
    return not (
        nearest.attributes.text("on_failure") == "continue"
        or any(jump in graph.nodes for jump in jumps)
        or any(judge is not None and judge.type == "conditional" for judge in judges)
    )


part = FailureFallsThrough()

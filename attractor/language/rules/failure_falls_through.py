"""An edge that looks like a failure path is taken after a failure.

What it does: reports an edge without a condition that neither a success nor a failure takes: a
success takes another edge, and after a failure an unconditional edge is not taken. It also reports
an edge into a conditional that failures and successes both take if no condition checks the outcome
before the next stage, such as an edge to an imported pipeline, whose start is a conditional.

Why: in the first case, the run ends although the drawing shows an edge to continue. In the second
case, the run continues as if the stage had succeeded.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test"]
        mend  [prompt="Fix what the tests found"]
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
        mend  [prompt="Fix what the tests found", max_visits=4]
        exit  [shape=Msquare]
        start -> tests
        tests -> exit [condition="outcome=success"]
        tests -> mend [condition="outcome=fail"]
        mend -> tests
    }
"""

from collections.abc import Iterator, Sequence, Set

from attractor.language.conditions.analysis import could_hold
from attractor.language.conditions.condition import OUTCOME_KEYS, Condition, keys_of
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.paths import (
    CONDITIONAL,
    FAIL,
    SUCCESS,
    failure_targets,
    is_conditional,
    unchecked_conditionals,
)
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

# These nodes do not fail, or their edges are not taken after a failure.
_SILENT = frozenset({"start", "exit", CONDITIONAL, *FORKS})
_CONDITION = 'add condition="outcome!=fail", or an edge with condition="outcome=fail"'
# With a condition, an answer could no longer choose the edge by its label.
_ANOTHER_EDGE = 'add an edge with condition="outcome=fail"'


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    unchecked = unchecked_conditionals(graph, [node.id for node in graph.of_type(CONDITIONAL)])
    for id_, node in graph.nodes.items():
        edges = graph.outgoing(id_)
        if (len(edges) < 2 and not unchecked) or node.type in _SILENT:
            continue
        plain = [edge for edge in edges if not edge.is_conditional]
        guards = [edge.condition for edge in edges if edge.is_conditional]
        if not plain or any(could_hold(one, [FAIL]) for one in guards):
            continue
        if any(map(_takes_every_success, guards)):
            for edge in plain if _ends(graph, node, plain) else ():
                yield warning(
                    f"a failure of {quote(node.id)} does not take this edge, and the run ends",
                    edge.span,
                    edge=(edge.source, edge.target),
                    fix='add condition="outcome=fail"',
                )
        elif unchecked:
            yield from _report_unchecked(graph, node, plain, unchecked)


def _report_unchecked(
    graph: Graph, node: Node, plain: Sequence[Edge], unchecked: Set[str]
) -> Iterator[Diagnostic]:
    into = [edge for edge in plain if is_conditional(graph, edge.target)]
    taken = min(into, key=lambda edge: (-edge.weight, edge.target), default=None)
    if taken and taken.target in unchecked and not _may_go_on(graph, node):
        yield warning(
            f"a failure of {quote(node.id)} also takes this edge, because no condition "
            f"checks the outcome",
            taken.span,
            edge=(taken.source, taken.target),
            fix=_ANOTHER_EDGE if node.type == "wait.human" else _CONDITION,
        )


def _takes_every_success(condition: Condition) -> bool:
    asks_more = keys_of(condition) - OUTCOME_KEYS
    return not asks_more and could_hold(condition, [SUCCESS])


def _ends(graph: Graph, node: Node, plain: Sequence[Edge]) -> bool:
    """Return whether a failure without a matching condition ends the run (ruling R2)."""
    jumps = [*failure_targets(node.attributes)]
    if node.is_goal_gate:
        jumps += failure_targets(graph.attributes)
    return not (
        _may_go_on(graph, node)
        or any(jump in graph.nodes for jump in jumps)
        or any(is_conditional(graph, edge.target) for edge in plain)
    )


def _may_go_on(graph: Graph, node: Node) -> bool:
    nearest = node if node.attributes.text("on_failure") else graph
    return nearest.attributes.text("on_failure") == "continue"


part = BuiltInRule(Severity.WARNING, _apply)

"""Every path to the exit goes through the goal gates.

What it does: reports a goal gate that a path from start to exit bypasses. It does not report a gate
inside a parallel branch, or a gate if every bypass contains another gate.

Why: the exit checks only goal gates that were visited. A run that bypasses a gate succeeds without
it.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        tests [shape=parallelogram, tool_command="make test", goal_gate=true, retry_target=work]
        exit  [shape=Msquare]
        start -> work
        work -> exit  [condition="context.size=small"]
        work -> tests [condition="context.size!=small"]
        tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_visits=4]
        tests [shape=parallelogram, tool_command="make test", goal_gate=true, retry_target=work]
        exit  [shape=Msquare]
        start -> work -> tests -> exit
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import find_forks
from attractor.language.graph.graph import Graph, Node, goal_gates
from attractor.language.graph.paths import dominance, reached_from, targets
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    gates = goal_gates(graph)
    if not gates or not graph.starts or not graph.exits:
        return
    for node in _avoidable(graph, gates):
        yield warning(
            f"a path to the exit bypasses the goal gate {quote(node.id)}",
            node.attributes.by_key["goal_gate"].value.span,
            node=node.id,
            fix="route every path to the exit through this gate",
        )


def _avoidable(graph: Graph, gates: Sequence[Node]) -> Sequence[Node]:
    start, exit_ = graph.starts[0].id, graph.exits[0].id
    from_start = dominance(start, targets(graph))
    around = [gate for gate in gates if not from_start.covers(gate.id, exit_)]
    if not around:
        return ()
    reached = reached_from([start], targets(graph), until=[gate.id for gate in around])
    if exit_ not in reached:
        return ()
    branches = (branch for fork in find_forks(graph) for branch in fork.branches.values())
    within = set[str]().union(*branches)
    return [gate for gate in around if gate.id not in within]


part = BuiltInRule(Severity.WARNING, _apply)

"""A failed check in a parallel branch fails the parallel node.

What it does: reports a parallel node or a `for_each` with `join_policy=wait_all` (the default) if a
branch contains tool stages only, unless all of them are goal gates and no winner is selected.

Why: `wait_all` waits for all branches, but never fails: it is meant for candidates, of which a
fan-in selects one. Between commands nothing is selected. If one branch fails, the run continues
with the others and succeeds. With `join_policy=all`, the node fails and names each failed branch.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        checks [shape=component]
        lint   [shape=parallelogram, tool_command="make lint"]
        test   [shape=parallelogram, tool_command="make test"]
        join   [shape=tripleoctagon, merge="none"]
        exit   [shape=Msquare]
        start -> checks
        checks -> lint -> join
        checks -> test -> join
        join -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        checks [shape=component, join_policy="all"]
        lint   [shape=parallelogram, tool_command="make lint"]
        test   [shape=parallelogram, tool_command="make test"]
        join   [shape=tripleoctagon, merge="none"]
        exit   [shape=Msquare]
        start -> checks
        checks -> lint -> join
        checks -> test -> join
        join -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FAN_IN, Fork, find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for fork in find_forks(graph):
        node = graph.nodes[fork.node]
        if node.attributes.text("join_policy") not in ("", "wait_all"):
            continue
        unchecked = (name for name in fork.branches if _is_unchecked(graph, fork, name))
        if name := next(unchecked, ""):
            yield warning(
                f"{quote(fork.node)} succeeds even if its branch {quote(name)} fails: "
                "join_policy=wait_all never fails",
                node.span,
                node=fork.node,
                fix=f"set join_policy=all on {fork.node}",
            )


def _is_unchecked(graph: Graph, fork: Fork, name: str) -> bool:
    """Return whether a branch has tool stages only, and a failure does not close the exit."""
    stages = [graph.nodes[id_] for id_ in fork.branches[name]]
    tools = [stage for stage in stages if stage.type == "tool"]
    if not tools or any(stage.type not in ("tool", "conditional") for stage in stages):
        return False
    meeting = graph.nodes[fork.meeting]
    has_winner = meeting.type == FAN_IN and meeting.attributes.text("merge") in ("", "winner")
    return has_winner or not all(tool.is_goal_gate for tool in tools)


part = BuiltInRule(Severity.WARNING, _apply)

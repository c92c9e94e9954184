"""Every node but the exit has an outgoing edge.

What it does: reports a reachable node without an outgoing edge that is not the exit.

Why: the run ends after such a node succeeds. The remaining stages do not run, and the goal
gates are not checked, because only the exit checks them.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        report [prompt="Report"]
        exit   [shape=Msquare]
        start -> work -> exit
        work -> report [condition="context.is_large=true"]
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        report [prompt="Report"]
        exit   [shape=Msquare]
        start -> work -> exit
        work -> report [condition="context.is_large=true"]
        report -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import failure_targets, reached_from, targets_and_jumps
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote, written_word


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if not graph.starts or not graph.exits:
        return
    exits, exit_ = {one.id for one in graph.exits}, graph.exits[0].id
    ends = [
        node
        for id_, node in graph.nodes.items()
        if not graph.outgoing(id_) and node.is_declared and id_ not in exits
    ]
    if not ends:
        return
    begin = [*(node.id for node in graph.starts), *failure_targets(graph.attributes)]
    reached = reached_from(begin, targets_and_jumps(graph))
    for node in ends:
        if node.id in reached:
            yield warning(
                f"{quote(node.id)} has no outgoing edge and is not the exit",
                node.span,
                node=node.id,
                fix=f"add an edge: {written_word(node.id)} -> {written_word(exit_)}",
            )


part = BuiltInRule(Severity.WARNING, _apply)

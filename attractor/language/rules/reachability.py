"""Every node is reachable from the start.

What it does: follows all edges and all values of `retry_target` and `fallback_retry_target` from
the start, and reports unreachable nodes.

Why: an unreachable node never runs. Usually an edge is missing, or has a mistyped id.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> work -> exit
        review -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> work -> review -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import failure_targets, reached_from, targets_and_jumps
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if not graph.starts:
        return
    begin = [*(node.id for node in graph.starts), *failure_targets(graph.attributes)]
    reached = reached_from(begin, targets_and_jumps(graph))
    for id_, node in graph.nodes.items():
        # The rule `edge_target_exists` reports it.
        is_mistyped_source = not node.is_declared and not graph.incoming(id_)
        if id_ not in reached and not is_mistyped_source:
            message = f"orphan node {quote(node.id)}: unreachable from the start"
            fix = "add an edge to this node, or remove the node"
            yield error(message, node.span, node=node.id, fix=fix)


part = BuiltInRule(Severity.ERROR, _apply)

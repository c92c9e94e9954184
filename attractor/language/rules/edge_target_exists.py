"""Both ends of an edge are declared nodes.

What it does: reports an undeclared node that occurs only as the target, or only as the source, of
edges.

Why: in DOT an edge creates its nodes. A mistyped id creates an empty stage, and the intended node
loses an edge.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> review -> exit
        start -> reveiw
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> review -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error, suggester
from attractor.language.graph.graph import Edge, Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote, written_word


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    ends = _ends(graph)
    suggest = suggester(node.id for node in graph.nodes.values() if ends and node.is_declared)
    for id_, edge in ends.items():
        role = "leads to" if edge.target == id_ else "comes from"
        message = f"an edge {role} {quote(id_)}, which is not declared"
        node = graph.nodes.get(id_)
        yield error(
            message,
            node.span if node else edge.span,
            node=id_,
            edge=(edge.source, edge.target),
            fix=suggest(id_) or f'declare this node: {written_word(id_)} [label="..."]',
        )


def _ends(graph: Graph) -> dict[str, Edge]:
    """Return the ids that are not nodes, each with an edge that names it."""
    ends: dict[str, Edge] = {}
    for edge in graph.edges:
        for id_ in (edge.source, edge.target):
            if id_ in ends:
                continue
            node = graph.nodes.get(id_)
            is_passed = bool(graph.incoming(id_) and graph.outgoing(id_))
            if node is None or not (node.is_declared or is_passed):
                ends[id_] = edge
    return ends


part = BuiltInRule(Severity.ERROR, _apply)

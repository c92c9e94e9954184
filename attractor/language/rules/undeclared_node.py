"""Every node is declared.

What it does: reports a node that occurs only in edges. Such a node gets the defaults that apply at
the place of its first edge.

Why: the prompt of its stage is only its id, and no line declares it.

Example:

    digraph Example {
        start [shape=Mdiamond]
        exit  [shape=Msquare]
        start -> ship_it -> exit
    }

Instead:

    digraph Example {
        start   [shape=Mdiamond]
        ship_it [prompt="Merge and tag the release"]
        exit    [shape=Msquare]
        start -> ship_it -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    nodes = graph.nodes.values()
    undeclared = [node for node in nodes if not node.is_declared]
    suggest = suggester(node.id for node in nodes if undeclared and node.is_declared)
    for node in undeclared:
        if graph.incoming(node.id) and graph.outgoing(node.id):
            message = f"undeclared node {quote(node.id)}"
            fix = suggest(node.id) or f'declare this node: {node.id} [prompt="..."]'
            yield warning(message, node.span, node=node.id, fix=fix)


part = BuiltInRule(Severity.WARNING, _apply)

"""A pipeline has exactly one start node.

What it does: looks for a node of shape `Mdiamond`. Without such a node, looks for the id `start`
or `Start`. Reports a missing or second start node.

Why: the run begins at the start node.

Example:

    digraph Example {
        work [prompt="Work"]
        exit [shape=Msquare]
        work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import IDS_OF_ENDS, SHAPES_OF_ENDS, Graph, Node
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    fix = "keep one of the two nodes, and set shape=box on the other"
    return report_ends(graph, "start", graph.starts, fix)


part = BuiltInRule(Severity.ERROR, _apply)


def report_ends(graph: Graph, type_: str, nodes: Sequence[Node], fix: str) -> Iterator[Diagnostic]:
    """Report a missing or a second start or exit."""
    if not nodes:
        yield _missing_end(graph, type_)
    for node in nodes[1:]:
        message = f"second {type_} node {quote(node.id)}; the first is {quote(nodes[0].id)}"
        yield error(message, node.span, node=node.id, fix=fix)


def _missing_end(graph: Graph, type_: str) -> Diagnostic:
    """Return the error about a missing start or exit.

    It names a node that has the id but another type.
    """
    message, shape = f"the pipeline has no {type_} node", SHAPES_OF_ENDS[type_]
    named = next((graph.nodes[id_] for id_ in IDS_OF_ENDS[type_] if id_ in graph.nodes), None)
    if named is None:
        fix = f"add a node: {type_} [shape={shape}]"
        return error(message, graph.span, fix=fix)
    values = {key: named.attributes.text(key) for key in ("type", "shape")}
    written = " and ".join(f"{key}={text}" for key, text in values.items() if text)
    fix = f"{quote(named.id)} has {written}: use shape={shape} instead"
    return error(message, named.span, node=named.id, fix=fix)

"""A thread needs full fidelity.

What it does: reports a `thread_id` if no stage that uses it has the fidelity `full`, set on the
edge to the stage, on the stage, or by the graph's `default_fidelity`.

Why: only a stage with `full` fidelity continues an earlier session. Any other stage begins a new
session and ignores the `thread_id`.

Example:

    digraph Example {
        start [shape=Mdiamond]
        plan  [prompt="Plan", thread_id=main]
        work  [prompt="Work", thread_id=main]
        exit  [shape=Msquare]
        start -> plan -> work -> exit
    }

Instead:

    digraph Example {
        default_fidelity = full
        start [shape=Mdiamond]
        plan  [prompt="Plan", thread_id=main]
        work  [prompt="Work", thread_id=main]
        exit  [shape=Msquare]
        start -> plan -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Fidelity, Graph, Node, each_attribute, resolve_fidelity
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary

_KEYS = frozenset({"thread_id"})


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    threads = list(each_attribute(graph, _KEYS))
    used = _used(graph) if threads else set[int]()
    for holder, attribute in threads:
        is_used = id(attribute) in used
        if not holder.node and not holder.edge:
            is_used = any(_can_be_full(graph, node) for node in graph.nodes.values())
        if str(attribute.value) and not is_used:
            yield warning(
                "thread_id is ignored: the fidelity is not full",
                attribute.span,
                node=holder.node,
                edge=holder.edge,
                fix="add fidelity=full, or remove the thread_id",
            )


def _used(graph: Graph) -> set[int]:
    """Return the `id()` of each value of `thread_id` that a stage uses."""
    used: set[int] = set()
    for edge in graph.edges_with("thread_id"):
        thread = edge.attributes.by_key["thread_id"]
        of_edge = edge.attributes.text("fidelity")
        if resolve_fidelity(graph, graph.nodes.get(edge.target), of_edge) is Fidelity.FULL:
            used.add(id(thread))
    for node in graph.nodes_with("thread_id"):
        if _can_be_full(graph, node):
            used.add(id(node.attributes.by_key["thread_id"]))
    return used


def _can_be_full(graph: Graph, node: Node) -> bool:
    edges = graph.incoming(node.id)
    return resolve_fidelity(graph, node) is Fidelity.FULL or any(
        edge.attributes.text("fidelity") == Fidelity.FULL for edge in edges
    )


part = BuiltInRule(Severity.WARNING, _apply)

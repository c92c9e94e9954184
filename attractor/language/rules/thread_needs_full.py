"""A thread is named only where a session can go on.

What it does: reports a `thread_id` of a node, an edge or the graph when no stage that it is for has
`full` fidelity: by the edge that leads to it, by itself, or by the graph's `default_fidelity`.

Why: only under `full` fidelity a stage goes on with an earlier session. Under any other it begins a
fresh one, and the `thread_id` means nothing.

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

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.attributes import Holder, each_attribute
from attractor.language.graph.fidelity import Fidelity, resolve_fidelity
from attractor.language.graph.graph import Graph, Node
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.syntax_tree import Attribute

_KEYS = frozenset({"thread_id"})


class ThreadNeedsFull:
    """Threads go on."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each thread that no stage goes on with."""
        threads = list(each_attribute(graph, _KEYS))
        used = _used(graph) if threads else set[int]()
        for holder, attribute in threads:
            if str(attribute.value) and not _is_used(graph, holder, attribute, used):
                yield Diagnostic(
                    self.severity,
                    "thread_id means nothing here: the fidelity is not full",
                    attribute.span,
                    node=holder.node,
                    edge=holder.edge,
                    fix="add fidelity=full, or take the thread_id away",
                )


def _used(graph: Graph) -> set[int]:
    """Return the attributes that some stage goes by; one in a default block is one of many."""
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


def _is_used(graph: Graph, holder: Holder, attribute: Attribute, used: set[int]) -> bool:
    if holder.node or holder.edge:
        return id(attribute) in used
    return any(_can_be_full(graph, node) for node in graph.nodes.values())


def _can_be_full(graph: Graph, node: Node) -> bool:
    edges = graph.incoming(node.id)
    return resolve_fidelity(graph, node) is Fidelity.FULL or any(
        edge.attributes.text("fidelity") == Fidelity.FULL for edge in edges
    )


part = ThreadNeedsFull()

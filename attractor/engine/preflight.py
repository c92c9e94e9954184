"""Checks that a graph can be run, and finds the handler of a node."""

from collections.abc import Iterator, Mapping

from attractor.base.errors import InvalidDuration, InvalidPart, UnknownName
from attractor.engine.routing.retry import require_policy
from attractor.engine.run_folder.layout import RESERVED_NAMES
from attractor.engine.seams import Handler
from attractor.engine.storage.secrets import Redactor
from attractor.language.diagnostics import Diagnostic, NotRunnable, error
from attractor.language.graph.branches import find_misplaced_restarts
from attractor.language.graph.graph import DEFAULT_TYPE, TYPE_OF_SHAPE, Graph, Node, folder_name


def require_executable(graph: Graph, handlers: Mapping[str, Handler], redactor: Redactor) -> None:
    """Raise NotRunnable if the handlers cannot run the graph, or if the graph contains a secret."""
    if faults := [*find_faults(graph, handlers), *find_secret_names(graph, redactor)]:
        raise NotRunnable(graph.name or "the graph", faults)


def find_faults(graph: Graph, handlers: Mapping[str, Handler]) -> Iterator[Diagnostic]:
    """Yield each reason why a graph cannot be run."""
    if len(graph.starts) != 1:
        yield error(f"found {len(graph.starts)} start nodes instead of one", graph.span)
    exits = {node.id for node in graph.exits}
    for node in graph.nodes.values():
        yield from _faults_of(node, graph, None if node.id in exits else handlers)
    for edge in graph.edges:
        if lost := [one for one in (edge.source, edge.target) if one not in graph.nodes]:
            yield error(f"an edge names the unknown node {lost[0]!r}", edge.span)
    for restart in find_misplaced_restarts(graph):
        what = f"loop_restart on {restart.edge.source} -> {restart.edge.target}: {restart.why}"
        yield error(what, restart.edge.span, fix=restart.fix)


def resolve_handler(node: Node, handlers: Mapping[str, Handler]) -> Handler:
    """Return the handler of a node by type, otherwise by shape (attractor-spec 4.2).

    If a node has a built-in type without a handler, raise an error; the type of the shape is not
    used.
    """
    if node.type in handlers:
        return handlers[node.type]
    by_shape = TYPE_OF_SHAPE.get(node.shape, DEFAULT_TYPE)
    if node.type in TYPE_OF_SHAPE.values() or by_shape not in handlers:
        raise UnknownName("node type", node.type, handlers)
    return handlers[by_shape]


def find_secret_names(graph: Graph, redactor: Redactor) -> Iterator[Diagnostic]:
    """Yield an error if a node id or an edge label contains a secret, because the journal would
    redact the secret.
    """
    words = [*graph.nodes, *(edge.label for edge in graph.edges)]
    if any(redactor.text(word) != word for word in words):
        fix = "rename it, or start attractor without the variable of the secret: env -u NAME"
        yield error("a node id or an edge label contains a secret of the environment", fix=fix)


def _faults_of(
    node: Node, graph: Graph, handlers: Mapping[str, Handler] | None
) -> Iterator[Diagnostic]:
    """Yield the faults of a node; an exit needs no handler."""
    if folder_name(node.id) in RESERVED_NAMES:
        yield error(f"the node id {node.id!r} is reserved", node.span, fix="choose another id")
    try:
        require_policy(node, graph)
        node.attributes.duration("timeout")
        if handlers is not None:
            resolve_handler(node, handlers)
    except (UnknownName, InvalidDuration, InvalidPart) as fault:
        yield error(f"node {node.id}: {fault.message}", node.span, fix=fault.hint)

"""Tells of a pipeline without a start, or without an exit, and what to do about it."""

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import IDS_OF_ENDS, SHAPES_OF_ENDS, Graph, Node
from attractor.language.wording import quote


def missing_end(graph: Graph, type_: str) -> Diagnostic:
    """Return what is to be said; a node with the right name that says another type is named."""
    message, shape = f"the pipeline has no {type_} node", SHAPES_OF_ENDS[type_]
    named = next((graph.nodes[id_] for id_ in IDS_OF_ENDS[type_] if id_ in graph.nodes), None)
    if named is None:
        fix = f"add a node: {type_} [shape={shape}]"
        return Diagnostic(Severity.ERROR, message, graph.span, fix=fix)
    fix = _fix(named, shape)
    return Diagnostic(Severity.ERROR, message, named.span, node=named.id, fix=fix)


def _fix(node: Node, shape: str) -> str:
    attributes = node.attributes
    said = {key: attributes.text(key) for key in ("type", "shape") if attributes.text(key)}
    written = " and ".join(f"{key}={text}" for key, text in said.items())
    return f"{quote(node.id)} says {written}: write shape={shape} instead"

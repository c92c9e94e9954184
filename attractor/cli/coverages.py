"""Shows what of a pipeline can be reached."""

from collections.abc import Iterator, Sequence

from attractor.cli.simulations import edge_record, edge_text
from attractor.engine.simulation.coverage import Coverage
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.text import visible


def coverage_text(graph: Graph, coverage: Coverage) -> str:
    """Return for a person what can and cannot be reached."""
    return "\n".join(_lines(graph, coverage))


def coverage_record(graph: Graph, coverage: Coverage) -> dict[str, object]:
    """Return for a program what can and cannot be reached."""
    return {
        "pipeline": graph.name,
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "unreachable_nodes": list(coverage.unreachable_nodes),
        "unreachable_edges": [edge_record(edge) for edge in coverage.unreachable_edges],
        "only_suggested": [edge_record(edge) for edge in coverage.only_suggested],
        "untried": [edge_record(edge) for edge in coverage.untried],
    }


def _lines(graph: Graph, coverage: Coverage) -> Iterator[str]:
    nodes, edges = len(graph.nodes), len(graph.edges)
    reached, taken = len(coverage.nodes), edges - len(coverage.unreachable_edges)
    yield f"{reached} of {nodes} nodes and {taken} of {edges} edges can be reached"
    if coverage.unreachable_nodes:
        yield visible(f"nodes that cannot be reached: {', '.join(coverage.unreachable_nodes)}")
    yield from _listed("edges that cannot be taken:", coverage.unreachable_edges)
    yield from _listed(
        "edges that are taken only when an outcome suggests their target:", coverage.only_suggested
    )
    yield from _listed(
        "there was too much to try; these were taken to be possible:", coverage.untried
    )


def _listed(heading: str, edges: Sequence[Edge]) -> Iterator[str]:
    if edges:
        yield heading
        yield from (f"  {edge_text(edge)}{_line(edge)}" for edge in edges)


def _line(edge: Edge) -> str:
    return f"  (line {edge.span.line})" if edge.span.is_somewhere else ""

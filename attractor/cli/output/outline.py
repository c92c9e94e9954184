"""Prints the outline of a pipeline: its nodes and its edges."""

from attractor.cli.output.simulation import edge_text
from attractor.engine.truncation import one_line
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.text import visible

_LONGEST_TASK = 70


def outline_text(graph: Graph) -> str:
    """Return the nodes with their types and tasks, and the edges, as text for people."""
    ids, types = (
        max(len(getattr(one, name)) for one in graph.nodes.values()) for name in ("id", "type")
    )
    nodes = [
        visible(f"  {one.id:{ids}}  {one.type:{types}}  {_task(one)}").rstrip()
        for one in graph.nodes.values()
    ]
    edges = [f"  {edge_text(one)}" for one in graph.edges]
    title = f"{graph.name}: {graph.goal}" if graph.goal else graph.name
    return "\n".join([visible(one_line(title, 2 * _LONGEST_TASK)), *nodes, "", *edges])


def _task(node: Node) -> str:
    """Return the beginning of a node's command, prompt or caption."""
    caption = node.label if node.label != node.id else ""
    return one_line(node.attributes.text("tool_command") or node.prompt or caption, _LONGEST_TASK)

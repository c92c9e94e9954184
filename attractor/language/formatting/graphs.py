"""Writes a graph as text: what was made in code becomes a file."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from attractor.language.graph import Graph, Node, Subgraph
from attractor.language.values import Attributes
from attractor.language.words import margin, written_attribute, written_word


def write_graph(graph: Graph) -> str:
    """Return the text that means a graph, without default blocks: each node says all it has."""
    name = f"{written_word(graph.name)} " if graph.name else ""
    parts = [list(_own(graph.attributes)), list(_nodes(graph)), list(_edges(graph))]
    body = "\n\n".join("\n".join(lines) for lines in parts if lines)
    return f"digraph {name}{{\n{body}\n}}\n" if body else f"digraph {name}{{\n}}\n"


def _own(attributes: Attributes, depth: int = 1) -> Iterator[str]:
    for attribute in attributes.by_key.values():
        yield margin(depth) + written_attribute(attribute)


def _nodes(graph: Graph) -> Iterator[str]:
    inside = {id_ for subgraph in graph.subgraphs for id_ in subgraph.nodes}
    for node in graph.nodes.values():
        if node.id not in inside:
            yield margin(1) + _declared(node)
    yield from _subgraphs(graph)


def _edges(graph: Graph) -> Iterator[str]:
    for edge in graph.edges:
        ends = f"{written_word(edge.source)} -> {written_word(edge.target)}"
        yield margin(1) + ends + _listed(edge.attributes)


def _subgraphs(graph: Graph) -> Iterator[str]:
    """Yield the lines of every subgraph; however deep they lie, nothing calls itself."""
    within: Mapping[int, list[int]] = defaultdict(list)
    for place, subgraph in enumerate(graph.subgraphs):
        within[subgraph.parent].append(place)
    told: set[str] = set()
    waiting = [iter(within[-1])]
    while waiting:
        place = next(waiting[-1], None)
        if place is not None:
            yield from _begun(graph, graph.subgraphs[place], told, len(waiting))
            waiting.append(iter(within[place]))
            continue
        waiting.pop()
        if waiting:
            yield margin(len(waiting)) + "}"


def _begun(graph: Graph, subgraph: Subgraph, told: set[str], depth: int) -> Iterator[str]:
    """Yield a subgraph's own lines; a node says everything in the first one that it stands in."""
    id_ = f"{written_word(subgraph.id)} " if subgraph.id else ""
    yield f"{margin(depth)}subgraph {id_}{{"
    yield from _own(subgraph.attributes, depth + 1)
    for id_ in subgraph.nodes:
        written = written_word(id_) if id_ in told else _declared(graph.nodes[id_])
        yield margin(depth + 1) + written
        told.add(id_)


def _declared(node: Node) -> str:
    return written_word(node.id) + _listed(node.attributes)


def _listed(attributes: Attributes) -> str:
    inside = ", ".join(written_attribute(one) for one in attributes.by_key.values())
    return f" [{inside}]" if inside else ""

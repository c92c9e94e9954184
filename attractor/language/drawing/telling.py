"""What the elements of a picture say: the lines in a node, and what a pointer brings up."""

from collections.abc import Iterator

from attractor.language.drawing.captions import (
    NODE_COLUMNS,
    SQUARE_COLUMNS,
    clean,
    label_of,
    node_tooltip,
    tooltip,
    type_caption,
    wrapped,
)
from attractor.language.drawing.element_ids import edge_elements, node_element
from attractor.language.drawing.jumps import jumps
from attractor.language.drawing.picture import Mark, Picture
from attractor.language.graph import Node

_AS_HIGH_AS_WIDE = frozenset({"Msquare", "square", "circle", "doublecircle", "Mcircle"})


def node_lines(picture: Picture, node: Node) -> list[str]:
    """Return the lines in a node: what it is, its label, and what is noted of it."""
    mark = picture.marks.get(node_element(node.id))
    caption = type_caption(node)
    columns = SQUARE_COLUMNS if node.shape in _AS_HIGH_AS_WIDE else NODE_COLUMNS
    label = wrapped((mark.sign if mark else "") + label_of(node.attributes, node.id), columns)
    # A start that is called Start need not say so twice.
    told = [] if [caption] == [line.casefold() for line in label] else label
    note = [clean(mark.note)] if mark and mark.note else []
    return [caption, *told, *note]


def tooltips_of(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield each node, edge and jump with what it tells."""
    for node in picture.graph.nodes.values():
        element = node_element(node.id)
        yield element, node_tooltip(node, *_noted(picture.marks.get(element)))
    edges = picture.graph.edges
    for edge, element in zip(edges, edge_elements(edges), strict=True):
        noted = _noted(picture.marks.get(element))
        yield element, tooltip(f"{edge.source} -> {edge.target}", *noted)
    for jump in jumps(picture.graph):
        noted = _noted(picture.marks.get(jump.element))
        yield jump.element, tooltip(f"{jump.source} -> {jump.target}", jump.caption, *noted)


def _noted(mark: Mark | None) -> tuple[str, ...]:
    return (mark.note, mark.tooltip) if mark else ()

"""Writes a picture as the DOT text that Graphviz draws."""

from collections.abc import Iterator

from attractor.language.drawing.boxes import Box, in_order, sheet
from attractor.language.drawing.captions import clean, title_of, tooltip
from attractor.language.drawing.element_ids import edge_elements
from attractor.language.drawing.elements import FONT, FONT_SIZE, Drawn, Elements
from attractor.language.drawing.jumps import jumps
from attractor.language.drawing.palette import Theme
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.telling import tooltips_of
from attractor.language.values import quoted
from attractor.language.words import margin


def dot_text(picture: Picture, *, theme: Theme, tooltips: bool = True) -> str:
    """Return the DOT text; without tooltips where a drawing gets them in another way."""
    return "\n".join([*_Writing(picture, theme, tooltips=tooltips).lines(), ""])


class _Writing:
    """Writes one picture; however deep its boxes lie, nothing calls itself."""

    def __init__(self, picture: Picture, theme: Theme, *, tooltips: bool) -> None:
        self._graph = picture.graph
        self._elements = Elements(picture, theme)
        self._tooltips = dict(_all_tooltips(picture)) if tooltips else {}

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        yield f"digraph {quoted(clean(self._graph.name) or 'pipeline')} {{"
        for kind, size in (("node", FONT_SIZE), ("edge", FONT_SIZE - 1)):
            yield f"{margin(1)}{kind} {_list({'fontname': FONT, 'fontsize': str(size)})};"
        outermost = sheet(self._graph)
        yield from self._inside(outermost)
        for number, (box, begins) in enumerate(in_order(outermost)):
            yield from self._begun(box, number) if begins else (margin(box.depth) + "}",)
        yield from self._edges()
        # At the end: what stands before a subgraph would hold for it too.
        yield f"{margin(1)}graph {self._list(self._elements.sheet())};"
        yield "}"

    def _begun(self, box: Box, number: int) -> Iterator[str]:
        yield f"{margin(box.depth)}subgraph cluster_{number} {{"
        for key, text in self._elements.box(box).items():
            yield f"{margin(box.depth + 1)}{key}={quoted(text)};"
        yield from self._inside(box)

    def _inside(self, box: Box) -> Iterator[str]:
        start = margin(box.depth + 1)
        for id_ in box.nodes:
            yield f"{start}{quoted(id_)} {self._list(self._elements.node(self._graph.nodes[id_]))};"
        for rank, nodes in box.ranks:
            yield f"{start}{{ rank={rank}; {'; '.join(map(quoted, nodes))} }}"

    def _edges(self) -> Iterator[str]:
        edges = self._graph.edges
        for edge, element in zip(edges, edge_elements(edges), strict=True):
            drawn = self._elements.edge(edge, element)
            yield f"{margin(1)}{_ends(edge.source, edge.target)} {self._list(drawn)};"
        for jump in jumps(self._graph):
            drawn = self._elements.jump(jump)
            yield f"{margin(1)}{_ends(jump.source, jump.target)} {self._list(drawn)};"

    def _list(self, drawn: Drawn) -> str:
        told = self._tooltips.get(drawn["id"])
        return _list({**drawn, "tooltip": told} if told else drawn)


def _all_tooltips(picture: Picture) -> Iterator[tuple[str, str]]:
    graph = picture.graph
    yield Elements(picture, Theme.LIGHT).sheet()["id"], tooltip(graph.goal or title_of(graph))
    yield from tooltips_of(picture)


def _ends(source: str, target: str) -> str:
    return f"{quoted(source)} -> {quoted(target)}"


def _list(drawn: Drawn) -> str:
    written = (f"{key}={quoted(text)}" for key, text in drawn.items() if text)
    return f"[{', '.join(written)}]"

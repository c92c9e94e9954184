"""Says how each element of a picture is drawn, in the attributes of Graphviz."""

from collections.abc import Mapping
from dataclasses import dataclass

from attractor.language.drawing import author
from attractor.language.drawing.boxes import Box
from attractor.language.drawing.captions import (
    NODE_COLUMNS,
    TITLE_COLUMNS,
    clean,
    edge_lines,
    ems_of,
    title_of,
    wrapped,
)
from attractor.language.drawing.element_ids import as_class, encoded, node_element
from attractor.language.drawing.jumps import Jump
from attractor.language.drawing.palette import (
    BOX_FILL,
    BOX_LINE,
    INK,
    JUMP,
    PLATE,
    WAY,
    Look,
    Paint,
    Theme,
    look_of,
)
from attractor.language.drawing.picture import Mark, Picture
from attractor.language.drawing.telling import node_lines
from attractor.language.graph import Edge, Node
from attractor.language.values import Attributes

FONT = "Helvetica,Arial,sans-serif"
FONT_SIZE = 11
OWN_FILL = "own-fill"
OWN_TEXT = "own-text"
_ROUND = frozenset({"box", "rect", "rectangle", "square"})
# Graphviz reads their labels as tables, or their names as files.
_NO_SHAPES = frozenset({"record", "Mrecord", "epsf", "custom"})
# Their sides slope: Graphviz leaves room around the text already, up to as much as it takes.
_ROOMY = frozenset(
    [
        *("diamond", "Mdiamond", "parallelogram", "hexagon", "ellipse", "oval", "egg"),
        *("octagon", "doubleoctagon", "tripleoctagon", "circle", "doublecircle"),
    ]
)

Drawn = Mapping[str, str]


@dataclass(frozen=True)
class Elements:
    """The attributes of a picture's elements, in the colours of a theme."""

    picture: Picture
    theme: Theme

    def sheet(self) -> Drawn:
        """Return those of the whole drawing."""
        graph = self.picture.graph
        title = wrapped(title_of(graph), TITLE_COLUMNS)
        return {
            "id": f"graph-{encoded(graph.name)}",
            "class": _classes("pipeline", author.is_filled(graph.attributes) and OWN_FILL),
            "label": "\n".join([*title, *wrapped(self.picture.caption, TITLE_COLUMNS)]),
            "labelloc": "t",
            "fontname": FONT,
            "fontsize": str(FONT_SIZE + 2),
            "fontcolor": self._paint(INK),
            "bgcolor": self._paint(PLATE),
            "pad": "0.2",
            **author.layout_of(graph.attributes),
            **author.colors_around(graph.attributes, self.theme),
        }

    def box(self, box: Box) -> Drawn:
        """Return those of a cluster."""
        attributes = box.subgraph.attributes if box.subgraph else Attributes()
        return {
            "id": box.element,
            "class": _classes(author.is_filled(attributes) and OWN_FILL),
            "label": "\n".join(wrapped(attributes.text("label"), NODE_COLUMNS)),
            "fontname": FONT,
            "fontsize": str(FONT_SIZE),
            "fontcolor": self._paint(INK),
            "color": self._paint(BOX_LINE),
            "fillcolor": self._paint(BOX_FILL),
            **author.layout_of(attributes),
            **author.colors_around(attributes, self.theme),
            "style": author.styles_of(attributes, "rounded", "filled"),
        }

    def node(self, node: Node) -> Drawn:
        """Return those of a node."""
        mark = self.picture.marks.get(node_element(node.id))
        lines = node_lines(self.picture, node)
        shape = "box" if node.shape in _NO_SHAPES else clean(node.shape)
        names = (f"type-{as_class(node.type)}", node.is_goal_gate and "goal-gate")
        return {
            "id": node_element(node.id),
            "class": _classes(*names, _own_text(node, mark), mark and mark.name),
            "label": "\n".join(lines),
            "shape": shape,
            "margin": _room(lines, shape),
            "peripheries": "2" if node.is_goal_gate else "",
            **author.layout_of(node.attributes),
            **self._node_colors(node, shape, mark),
        }

    def edge(self, edge: Edge, element: str) -> Drawn:
        """Return those of an edge."""
        mark = self.picture.marks.get(element)
        names = (edge.is_conditional and "conditional", _own_text(edge, mark))
        said = self._said_of(edge, "fillcolor", "bgcolor")
        return {
            "id": element,
            "class": _classes(*names, mark and mark.name),
            "label": _beside(*edge_lines(edge, sign=mark.sign if mark else "")),
            **self._line(mark.look if mark else WAY),
            **author.layout_of(edge.attributes),
            **({} if mark else said),
        }

    def jump(self, jump: Jump) -> Drawn:
        """Return those of a way that no edge stands for; it must not pull the nodes about."""
        mark = self.picture.marks.get(jump.element)
        return {
            "id": jump.element,
            "class": _classes("retry", mark and mark.name),
            "label": _beside(jump.caption),
            "constraint": "false",
            **self._line(mark.look if mark else JUMP),
        }

    def _node_colors(self, node: Node, shape: str, mark: Mark | None) -> Drawn:
        look = mark.look if mark else look_of(node.type)
        forms = ["filled", "rounded" if shape in _ROUND else "", "dashed" if look.is_dashed else ""]
        ours = {**self._line(look), "fillcolor": self._paint(look.fill)}
        if mark:
            return {**ours, "style": ",".join(filter(None, forms))}
        if author.is_filled(node.attributes):
            # Black is what everybody else draws on the colour, so it was chosen for that.
            black = {"fontcolor": "black", "color": self._paint(look.line)}
            return {**black, **author.colors_of(node.attributes)}
        return {
            **ours,
            **self._said_of(node, "fillcolor", "bgcolor"),
            "style": author.styles_of(node.attributes, *forms),
        }

    def _said_of(self, one: Node | Edge, *dropped: str) -> Drawn:
        """Return the author's colours; that of a text was chosen for a light sheet."""
        dropped = (*dropped, "fontcolor") if self.theme is Theme.DARK else dropped
        said = author.colors_of(one.attributes)
        return {key: text for key, text in said.items() if key not in dropped}

    def _line(self, look: Look) -> Drawn:
        return {
            "color": self._paint(look.line),
            "fontcolor": self._paint(look.text),
            "penwidth": f"{look.width:g}",
            "style": "dashed" if look.is_dashed else "",
        }

    def _paint(self, paint: Paint) -> str:
        return paint.on(self.theme)


def _own_text(one: Node | Edge, mark: Mark | None) -> str:
    """Return the class of a text whose colour gives way to the theme's on a dark sheet."""
    is_own = not mark and one.attributes.text("fontcolor")
    return OWN_TEXT if is_own and not author.is_filled(one.attributes) else ""


def _classes(*names: str | bool | None) -> str:
    return " ".join(name for name in names if isinstance(name, str) and name)


def _beside(*lines: str) -> str:
    """Return the label of an edge, with a blank on each side that keeps it off the line."""
    return "\n".join(f" {line} " for line in lines)


def _room(lines: list[str], shape: str) -> str:
    """Return margins that leave room for letters wider than those Graphviz reckons with."""
    widest = max(map(ems_of, lines)) * FONT_SIZE
    if shape in _ROOMY:
        return f"{0.03 * widest / 72:.2f},0.01"
    return f"{(6 + 0.11 * widest) / 72:.2f},0.08"

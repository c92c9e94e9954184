"""What an author may say of the look: layout and colours, but nothing that opens a file.

Chooses the colours of a picture: ours, and those of its author as far as text reads on them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.drawing.colors import (
    BLACK,
    BOX_FILL,
    BOX_LINE,
    INK,
    MUTED,
    PAINTS,
    PLATE,
    WHITE,
    Colors,
    ElementStyle,
    Paint,
    Rgb,
    Stop,
    Theme,
    as_rgb,
    lightened,
    read_colors,
    reads_on,
)
from attractor.language.drawing.picture import clean
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Attributes

_LAYOUT = (
    *("arrowhead", "arrowtail", "constraint", "dir", "group", "height", "margin", "nodesep"),
    *("ordering", "peripheries", "rankdir", "ranksep", "splines", "width"),
)
_LINES = ("penwidth", "style")
_FILLED = "filled"
# With several colours side by side; on another shape Graphviz would not fill at all.
_SIDE_BY_SIDE: Mapping[str, frozenset[str]] = {
    "striped": frozenset({"box", "rect", "rectangle", "square"}),
    "wedged": frozenset({"ellipse", "oval", "circle"}),
}
_FILLING = frozenset({_FILLED, "radial", *_SIDE_BY_SIDE})
_OURS = frozenset(one.light for one in PAINTS)


def layout_of(attributes: Attributes) -> dict[str, str]:
    """Return what is said of places and sizes."""
    return _said(attributes, _LAYOUT)


def lines_of(attributes: Attributes, *, several: bool = False) -> dict[str, str]:
    """Return what is said of lines; only edges can have several colours side by side."""
    colors = _colors(attributes, "color")
    color = str(colors if several else colors.first) if colors else ""
    return _said(attributes, _LINES) | ({"color": color} if color else {})


def font_of(attributes: Attributes) -> Rgb | None:
    """Return the colour that is said for the text, if it is one."""
    color = _colors(attributes, "fontcolor")
    return color.stops[0].color if color and not color.is_clear else None


class Filling(NamedTuple):
    """What is behind the text of a node, and the colour in which the text can be read on it."""

    colors: Colors
    text: Rgb


def author_fill(attributes: Attributes) -> Filling | None:
    """Return how an author filled a node, and with what text.

    The author's own text is kept where it can be read, else it is black or white; where neither
    can be read on all of several colours the first of them fills the node.
    """
    colors = _fill(attributes, "fillcolor", "color") if _is_filled(attributes) else None
    if colors is None:
        return None
    font = font_of(attributes)
    texts = [*([_apart(font)] if font else []), BLACK, WHITE]
    several = [_all_apart(one) for one in (colors, colors.first)]
    fitting = (Filling(one, text) for one in several for text in texts if _fits(text, one))
    return next(fitting)


def box_fill(attributes: Attributes) -> Colors | None:
    """Return the colours of a box, where its author chose them."""
    keys = ("fillcolor", "color", "bgcolor") if _is_filled(attributes) else ("bgcolor",)
    return _fill(attributes, *keys)


def sheet_fill(attributes: Attributes) -> Colors | None:
    """Return the colours of the whole sheet, where its author chose them."""
    return _fill(attributes, "bgcolor")


def styles_of(attributes: Attributes, *more: str, shape: str = "") -> str:
    """Return the styles that are said, as far as the shape can have them, and those added."""
    said = (clean(one.strip()) for one in attributes.text("style").split(","))
    fitting = (one if shape in _SIDE_BY_SIDE.get(one, (shape,)) else _FILLED for one in said)
    return ",".join(dict.fromkeys(filter(None, [*fitting, *more])))


def _fits(text: Rgb, colors: Colors) -> bool:
    return reads_on(text, colors.shades)


def _all_apart(colors: Colors) -> Colors:
    return Colors(tuple(Stop(_apart(one.color), one.share) for one in colors.stops))


def _apart(color: Rgb) -> Rgb:
    """Return a colour that the style sheet of a drawing does not put another in place of."""
    return Rgb(color.red, color.green, color.blue ^ 1) if str(color) in _OURS else color


def _is_filled(attributes: Attributes) -> bool:
    return any(one.strip() in _FILLING for one in attributes.text("style").split(","))


def _fill(attributes: Attributes, *keys: str) -> Colors | None:
    """Return the colours of the first key that says something."""
    key = next((one for one in keys if attributes.text(one)), "")
    colors = _colors(attributes, key) if key else None
    return colors if colors and not colors.is_clear else None


def _colors(attributes: Attributes, key: str) -> Colors | None:
    text = attributes.text(key)
    return read_colors(text) if text else None


def _said(attributes: Attributes, keys: Iterable[str]) -> dict[str, str]:
    by_key = attributes.by_key
    return {key: clean(attributes.text(key)) for key in keys if key in by_key}


OWN_FILL = "own-fill"
OWN_TEXT = "own-text"
_ROUND = frozenset({"box", "rect", "rectangle", "square"})

Chosen = Mapping[str, str]


@dataclass(frozen=True)
class Coloring:
    """The colours of a graph's elements in a theme, in the attributes of Graphviz."""

    graph: Graph
    theme: Theme

    def sheet(self) -> Chosen:
        """Return those of the whole drawing."""
        own = self._around(sheet_fill(self.graph.attributes))
        text = self._text(self.graph.attributes, INK, self._shades(own, PLATE))
        fill = str(own) if own else self._paint(PLATE)
        return {**lines_of(self.graph.attributes), "fontcolor": text, "bgcolor": fill}

    def box(self, attributes: Attributes) -> Chosen:
        """Return those of a cluster."""
        own = self._around(box_fill(attributes))
        return {
            "color": self._paint(BOX_LINE),
            **lines_of(attributes),
            "fontcolor": self._text(attributes, INK, self._shades(own, BOX_FILL)),
            "fillcolor": str(own) if own else self._paint(BOX_FILL),
            "style": styles_of(attributes, "rounded", "filled"),
        }

    def node(self, own: Attributes, look: ElementStyle, shape: str) -> Chosen:
        """Return those of a node; one that its author filled is the same in light and dark."""
        filling = author_fill(own)
        if filling:
            return {
                "color": self._paint(look.line),
                **lines_of(own),
                "fillcolor": str(filling.colors),
                "fontcolor": str(filling.text),
                "style": styles_of(own, shape=shape),
            }
        forms = ["filled", "rounded" if shape in _ROUND else "", "dashed" if look.is_dashed else ""]
        return {
            **self._line(look),
            **lines_of(own),
            "fontcolor": self._text(own, look.text, self._shades(None, look.fill)),
            "fillcolor": self._paint(look.fill),
            "style": styles_of(own, *forms),
        }

    def edge(self, own: Attributes, look: ElementStyle) -> Chosen:
        """Return those of a way, the text of which may stand anywhere."""
        text = self._text(own, look.text, self._behind_edges)
        return {**self._line(look), **lines_of(own, several=True), "fontcolor": text}

    def class_of(self, colors: Chosen) -> str:
        """Return the class of what has colours of an author's own behind its text, or for it."""
        fill = colors.get("fillcolor") or colors.get("bgcolor")
        if fill and fill not in self._ours:
            return OWN_FILL
        return OWN_TEXT if colors["fontcolor"] not in self._ours else ""

    def _line(self, look: ElementStyle) -> Chosen:
        return {
            "color": self._paint(look.line),
            "penwidth": f"{look.width:g}",
            "style": "dashed" if look.is_dashed else "",
        }

    def _around(self, own: Colors | None) -> Colors | None:
        """Return what an author put behind it all: on a dark sheet nothing, else a light colour.

        Texts and lines of all kinds stand on it, down to the palest of ours.
        """
        is_kept = own and self.theme is not Theme.DARK
        return lightened(own, as_rgb(MUTED.light)) if own and is_kept else None

    def _text(self, own: Attributes, ours: Paint, behind: Sequence[Rgb]) -> str:
        """Return the colour of a text: the author's on a light sheet, if it can be read there."""
        chosen = font_of(own) if self.theme is not Theme.DARK else None
        return str(chosen) if chosen and reads_on(chosen, behind) else self._paint(ours)

    def _shades(self, own: Colors | None, ours: Paint) -> Sequence[Rgb]:
        return own.shades if own else (as_rgb(self._paint(ours)),)

    def _paint(self, ours: Paint) -> str:
        return ours.on(self.theme)

    @cached_property
    def _ours(self) -> frozenset[str]:
        return frozenset(one.on(self.theme) for one in PAINTS)

    @cached_property
    def _behind_edges(self) -> Sequence[Rgb]:
        """The darkest and the lightest of all that the text of an edge may stand on.

        On a light sheet a text is darker than all of it, on a dark one lighter: no other counts.
        """
        shades = {*self._shades(self._around(sheet_fill(self.graph.attributes)), PLATE)}
        for box in self.graph.subgraphs:
            shades |= {*self._shades(self._around(box_fill(box.attributes)), BOX_FILL)}
        by_light = sorted(shades, key=lambda one: one.luminance)
        return by_light[0], by_light[-1]

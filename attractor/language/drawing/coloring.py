"""Chooses the colours of a picture: ours, and those of its author as far as text reads on them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.language.drawing import author
from attractor.language.drawing.colors import Colors, Rgb, as_rgb, lightened, reads_on
from attractor.language.drawing.palette import (
    BOX_FILL,
    BOX_LINE,
    INK,
    MUTED,
    PAINTS,
    PLATE,
    Look,
    Paint,
    Theme,
)
from attractor.language.graph import Graph
from attractor.language.values import Attributes

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
        own = self._around(author.sheet_fill(self.graph.attributes))
        text = self._text(self.graph.attributes, INK, self._shades(own, PLATE))
        fill = str(own) if own else self._paint(PLATE)
        return {**author.lines_of(self.graph.attributes), "fontcolor": text, "bgcolor": fill}

    def box(self, attributes: Attributes) -> Chosen:
        """Return those of a cluster."""
        own = self._around(author.box_fill(attributes))
        return {
            "color": self._paint(BOX_LINE),
            **author.lines_of(attributes),
            "fontcolor": self._text(attributes, INK, self._shades(own, BOX_FILL)),
            "fillcolor": str(own) if own else self._paint(BOX_FILL),
            "style": author.styles_of(attributes, "rounded", "filled"),
        }

    def node(self, own: Attributes, look: Look, shape: str) -> Chosen:
        """Return those of a node; one that its author filled is the same in light and dark."""
        filling = author.filling(own)
        if filling:
            return {
                "color": self._paint(look.line),
                **author.lines_of(own),
                "fillcolor": str(filling.colors),
                "fontcolor": str(filling.text),
                "style": author.styles_of(own, shape=shape),
            }
        forms = ["filled", "rounded" if shape in _ROUND else "", "dashed" if look.is_dashed else ""]
        return {
            **self._line(look),
            **author.lines_of(own),
            "fontcolor": self._text(own, look.text, self._shades(None, look.fill)),
            "fillcolor": self._paint(look.fill),
            "style": author.styles_of(own, *forms),
        }

    def edge(self, own: Attributes, look: Look) -> Chosen:
        """Return those of a way, the text of which may stand anywhere."""
        text = self._text(own, look.text, self._behind_edges)
        return {**self._line(look), **author.lines_of(own, several=True), "fontcolor": text}

    def class_of(self, colors: Chosen) -> str:
        """Return the class of what has colours of an author's own behind its text, or for it."""
        fill = colors.get("fillcolor") or colors.get("bgcolor")
        if fill and fill not in self._ours:
            return OWN_FILL
        return OWN_TEXT if colors["fontcolor"] not in self._ours else ""

    def _line(self, look: Look) -> Chosen:
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
        chosen = author.font_of(own) if self.theme is not Theme.DARK else None
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
        shades = {*self._shades(self._around(author.sheet_fill(self.graph.attributes)), PLATE)}
        for box in self.graph.subgraphs:
            shades |= {*self._shades(self._around(author.box_fill(box.attributes)), BOX_FILL)}
        by_light = sorted(shades, key=lambda one: one.luminance)
        return by_light[0], by_light[-1]

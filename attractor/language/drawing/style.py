"""Chooses how elements are drawn: in colours of the theme, or in colours set by the author."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Diagnostic, suggester, warning
from attractor.language.drawing.picture import clean
from attractor.language.drawing.theme import (
    BOX_FILL,
    BOX_LINE,
    INK,
    PLATE,
    ElementStyle,
    Paint,
    Theme,
)
from attractor.language.graph.attribute_catalogue import COLORS
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.source.syntax_tree import Attribute, Attributes
from attractor.language.source.text import quote

_HEXADECIMAL = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})")
_SCHEME = re.compile(r"/(?:x11)?/")
# The X11 scheme of Graphviz: `azure 4` is azure and azure1 to azure4.
_NAMES = Path(__file__).with_name("colors.txt")


def unknown_colors(graph: Graph) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every unknown colour; a default block yields one."""
    nearest = suggester(color_names())
    for node, attribute in _color_attributes(graph):
        unknown = unknown_color(str(attribute.value))
        if unknown:
            yield warning(
                f"unknown color {quote(unknown)}: drawings ignore it",
                attribute.value.span,
                node=node,
                fix=nearest(unknown.casefold()) or "use a color name of Graphviz, or #rrggbb",
            )


def _color_attributes(graph: Graph) -> Iterator[tuple[str, Attribute]]:
    for holder, attribute in each_attribute(graph, COLORS):
        yield holder.node, attribute
    for subgraph in graph.subgraphs:
        by_key = subgraph.attributes.by_key
        yield from (("", by_key[key]) for key in COLORS & by_key.keys())


def unknown_color(text: str) -> str:
    """Return the first unknown colour in a list of colours such as `red:blue;0.5`, or ""."""
    colors = (part.partition(";")[0].strip() for part in text.split(":") if text.strip())
    return next((color or text for color in colors if not _is_color(color)), "")


def _is_color(text: str) -> bool:
    color = text.casefold()
    name = _SCHEME.sub("", color, count=1).replace("grey", "gray")
    if _HEXADECIMAL.fullmatch(color) or name in color_names():
        return True
    # Hue, saturation and brightness: `0.6 0.9 0.3`.
    try:
        numbers = [float(number) for number in color.replace(",", " ").split()]
    except ValueError:
        return False
    return len(numbers) == 3 and all(0 <= number <= 1 for number in numbers)


@cache
def color_names() -> frozenset[str]:
    """Return the names of colours."""
    names = {"transparent", "none"}
    for line in _NAMES.read_text("ascii").splitlines():
        name, _, shades = line.partition(" ")
        names |= {name, *(f"{name}{shade}" for shade in range(1, int(shades or 0) + 1))}
    return frozenset(names)


# Attributes that open no file and lead to no address.
_LAYOUT = (
    *("arrowhead", "arrowtail", "constraint", "dir", "group", "height", "margin", "nodesep"),
    *("ordering", "peripheries", "rankdir", "ranksep", "splines", "width"),
)
_LINES = ("penwidth", "style", "color", "fontcolor")
_FILLED_STYLES = frozenset({"filled", "radial", "striped", "wedged"})
_ROUND = frozenset({"box", "rect", "rectangle", "square"})


def author_layout(attributes: Attributes) -> dict[str, str]:
    """Return the attributes of positions and sizes."""
    return _written(attributes, *_LAYOUT)


def theme_for(graph: Graph, theme: Theme) -> Theme:
    """Return the theme of a drawing: light if the author of the graph chose a background."""
    boxes = (_box_fill(subgraph.attributes) for subgraph in graph.subgraphs)
    has_background = _written(graph.attributes, "bgcolor") or any(boxes)
    return Theme.LIGHT if has_background else theme


@dataclass(frozen=True)
class Coloring:
    """The colours and lines of elements in a theme, as Graphviz attributes."""

    theme: Theme

    def sheet(self, attributes: Attributes) -> Mapping[str, str]:
        """Return the colours of the whole drawing."""
        return {
            "fontcolor": self._paint(INK),
            "bgcolor": self._paint(PLATE),
            **_written(attributes, *_LINES, "bgcolor"),
        }

    def box(self, attributes: Attributes) -> Mapping[str, str]:
        """Return the colours of a cluster."""
        return {
            "color": self._paint(BOX_LINE),
            "fontcolor": self._paint(INK),
            **_written(attributes, *_LINES),
            "fillcolor": _box_fill(attributes) or self._paint(BOX_FILL),
            "style": _styles(attributes, "rounded", "filled"),
        }

    def node(self, attributes: Attributes, style: ElementStyle, shape: str) -> Mapping[str, str]:
        """Return the colours of a node; on a fill of the author, the text is black by default."""
        fill = _fill(attributes)
        if fill:
            return {
                "color": self._paint(style.line),
                "fontcolor": "black",
                **_written(attributes, *_LINES),
                "fillcolor": fill,
            }
        forms = ["rounded"] if shape in _ROUND else []
        forms += ["dashed"] if style.is_dashed else []
        return {
            **self.edge(attributes, style),
            "fillcolor": self._paint(style.fill),
            "style": _styles(attributes, "filled", *forms),
        }

    def edge(self, attributes: Attributes, style: ElementStyle) -> Mapping[str, str]:
        """Return the colours of an edge."""
        return {
            "color": self._paint(style.line),
            "penwidth": f"{style.width:g}",
            "style": "dashed" if style.is_dashed else "",
            "fontcolor": self._paint(style.text),
            **_written(attributes, *_LINES),
        }

    def _paint(self, paint: Paint) -> str:
        return paint.on(self.theme)


def _written(attributes: Attributes, *keys: str) -> dict[str, str]:
    """Return the attributes that the author wrote, except for unknown colours."""
    texts = {key: attributes.text(key) for key in keys if key in attributes.by_key}
    return {
        key: clean(text)
        for key, text in texts.items()
        if text and not (key in COLORS and unknown_color(text))
    }


def _fill(attributes: Attributes, *more: str) -> str:
    """Return the fill of an element that the author filled: `fillcolor`, otherwise `color`."""
    is_filled = not _FILLED_STYLES.isdisjoint(_style_names(attributes))
    keys = (*(("fillcolor", "color") if is_filled else ()), *more)
    return next(iter(_written(attributes, *keys).values()), "")


def _box_fill(attributes: Attributes) -> str:
    return _fill(attributes, "bgcolor")


def _styles(attributes: Attributes, *more: str) -> str:
    return ",".join(dict.fromkeys([*_style_names(attributes), *more]))


def _style_names(attributes: Attributes) -> list[str]:
    names = (clean(name.strip()) for name in attributes.text("style").split(","))
    return [name for name in names if name]

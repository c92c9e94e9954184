"""What an author may say of the look: layout and colours, but nothing that opens a file."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attractor.language.drawing.captions import clean
from attractor.language.drawing.colors import (
    BLACK,
    WHITE,
    Colors,
    Rgb,
    Stop,
    read_colors,
    reads_on,
)
from attractor.language.drawing.palette import PAINTS
from attractor.language.values import Attributes

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


def filling(attributes: Attributes) -> Filling | None:
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

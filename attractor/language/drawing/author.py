"""What an author may say of the look: layout and colours, but nothing that opens a file."""

from collections.abc import Iterable

from attractor.language.drawing.captions import clean
from attractor.language.drawing.palette import Theme
from attractor.language.values import Attributes

_LAYOUT = (
    *("arrowhead", "arrowtail", "constraint", "dir", "group", "height", "margin", "nodesep"),
    *("ordering", "peripheries", "rankdir", "ranksep", "splines", "width"),
)
_COLORS = ("bgcolor", "color", "fillcolor", "fontcolor", "penwidth", "style")
_FILLING = ("filled", "radial", "striped", "wedged")


def layout_of(attributes: Attributes) -> dict[str, str]:
    """Return what is said of places and sizes."""
    return _said(attributes, _LAYOUT)


def colors_of(attributes: Attributes) -> dict[str, str]:
    """Return what is said of colours and lines."""
    return _said(attributes, _COLORS)


def is_filled(attributes: Attributes) -> bool:
    """Tell whether a colour of the author's own lies behind the text."""
    if attributes.text("bgcolor"):
        return True
    has_color = attributes.text("fillcolor") or attributes.text("color")
    return bool(has_color) and any(word in attributes.text("style") for word in _FILLING)


def styles_of(attributes: Attributes, *more: str) -> str:
    """Return the styles that are said and those that are added."""
    said = (clean(one.strip()) for one in attributes.text("style").split(","))
    return ",".join(dict.fromkeys(filter(None, [*said, *more])))


def colors_around(attributes: Attributes, theme: Theme) -> dict[str, str]:
    """Return the colours of what nodes stand on: chosen for a light sheet, they hold on one."""
    said = colors_of(attributes)
    if theme is Theme.DARK:
        return {key: text for key, text in said.items() if key in ("penwidth", "style", "color")}
    return said


def _said(attributes: Attributes, keys: Iterable[str]) -> dict[str, str]:
    by_key = attributes.by_key
    return {key: clean(attributes.text(key)) for key in keys if key in by_key}

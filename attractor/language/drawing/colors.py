"""Recognizes the colours of Graphviz and reports unknown ones."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Attribute
from attractor.language.source.text import quote

COLORS = frozenset({"bgcolor", "color", "fillcolor", "fontcolor"})
"""The attributes that contain colours."""

_HEXADECIMAL = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})")
_SCHEME = re.compile(r"/(?:x11)?/")
# The X11 scheme of Graphviz: `azure 4` is azure and azure1 to azure4.
_NAMES = Path(__file__).with_name("colors.txt")


def unknown_colors(graph: Graph, severity: Severity = Severity.WARNING) -> Iterator[Diagnostic]:
    """Yield a diagnostic for every unknown colour; a default block yields one."""
    nearest = suggester(color_names())
    for node, attribute in _color_attributes(graph):
        unknown = unknown_color(str(attribute.value))
        if unknown:
            yield Diagnostic(
                severity,
                f"unknown color {quote(unknown)}: drawings leave it out",
                attribute.value.span,
                node=node,
                fix=nearest(unknown.casefold()) or "write a name that Graphviz knows, or #rrggbb",
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


def color_names() -> Iterator[str]:
    """Yield the names of colours."""
    yield from _names()


def _is_color(text: str) -> bool:
    color = text.casefold()
    name = _SCHEME.sub("", color, count=1).replace("grey", "gray")
    return bool(_HEXADECIMAL.fullmatch(color)) or name in _names() or _is_hue(color)


def _is_hue(color: str) -> bool:
    """Return whether a text is hue, saturation and brightness: `0.6 0.9 0.3`."""
    try:
        numbers = [float(number) for number in color.replace(",", " ").split()]
    except ValueError:
        return False
    return len(numbers) == 3 and all(0 <= number <= 1 for number in numbers)


@cache
def _names() -> frozenset[str]:
    names = {"transparent", "none"}
    for line in _NAMES.read_text("ascii").splitlines():
        name, _, shades = line.partition(" ")
        names |= {name, *(f"{name}{shade}" for shade in range(1, int(shades or 0) + 1))}
    return frozenset(names)

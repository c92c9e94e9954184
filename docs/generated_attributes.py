"""Writes the table of attributes; cog puts it into the reference."""

from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE

_HEAD = ["| attribute | type | default | what it says |", "|---|---|---|---|"]


def attributes() -> str:
    """Return a table of attributes for each place they can stand on."""
    return "\n\n".join(_section(place) for place in AttributeOwner)


def shapes() -> str:
    """Return the table of shapes."""
    rows = [f"| `{shape}` | `{type_}` |" for shape, type_ in TYPE_OF_SHAPE.items()]
    return "\n".join(["| shape | type |", "|---|---|", *rows])


def _section(place: AttributeOwner) -> str:
    rows = [_row(one) for one in ATTRIBUTES.values() if place in one.places]
    return "\n".join([f"## On {_NAMED[place]}", "", *_HEAD, *rows])


def _row(one: KnownAttribute) -> str:
    type_ = " or ".join(f"`{choice}`" for choice in one.choices) or str(one.type)
    if one.minimum is not None:
        unit = "ms" if one.type is AttributeType.DURATION else ""
        type_ += f", at least {one.minimum}{unit}"
    return f"| `{one.name}` | {type_} | {one.default} | {one.sentence} |"


_NAMED = {
    AttributeOwner.GRAPH: "the graph",
    AttributeOwner.NODE: "a node",
    AttributeOwner.EDGE: "an edge",
}

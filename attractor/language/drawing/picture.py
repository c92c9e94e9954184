"""A graph as it is to be drawn: with what is marked in it."""

from collections.abc import Mapping
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.language.drawing.palette import Look
from attractor.language.graph import Graph


@dataclass(frozen=True)
class Mark:
    """What is told of a node or an edge besides what the pipeline says of it.

    `name` is its class in the drawing, `sign` stands before its label, `note` below it.
    """

    name: str
    look: Look
    sign: str = ""
    note: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Picture:
    """A graph and its marks, by the ids of the elements they are on; a caption below the title.

    `kind` and `description` say for who does not see it what it is, and what the marks tell.
    """

    graph: Graph
    marks: Mapping[str, Mark] = field(default_factory=dict[str, Mark])
    caption: str = ""
    description: str = ""
    kind: str = "A pipeline"


def as_picture(drawn: Graph | Picture) -> Picture:
    """Return a picture; that of a graph alone has no marks."""
    return drawn if isinstance(drawn, Picture) else Picture(drawn)

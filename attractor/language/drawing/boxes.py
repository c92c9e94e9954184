"""Nests the subgraphs that are drawn as boxes around nodes."""

from collections.abc import Iterator
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.language.drawing.picture import encoded
from attractor.language.graph.graph import Graph, Subgraph

_CLUSTER = "cluster"
# Drawers recurse for each level.
_DEEPEST = 40
_RANKS = frozenset({"same", "min", "source", "max", "sink"})


@dataclass
class Box:
    """A cluster; the outermost box is the sheet itself and has no subgraph.

    `ranks` contains nodes of the box that a subgraph without a box aligns, with its rank.
    """

    subgraph: Subgraph | None = None
    element: str = ""
    depth: int = 0
    nodes: list[str] = field(default_factory=list[str])
    inner: list["Box"] = field(default_factory=list["Box"])
    ranks: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])


def nest_boxes(graph: Graph) -> Box:
    """Return the sheet with its boxes; a node is in the innermost box that names it first."""
    outermost = Box()
    boxes = _boxes(graph, outermost)
    home: dict[str, Box] = {}
    pairs = list(zip(boxes, graph.subgraphs, strict=True))
    for box, subgraph in sorted(pairs, key=lambda pair: -pair[0].depth):
        for id_ in subgraph.nodes:
            home.setdefault(id_, box)
    for id_ in graph.nodes:
        home.get(id_, outermost).nodes.append(id_)
    for box, subgraph in pairs:
        rank = subgraph.attributes.text("rank")
        if rank in _RANKS:
            aligned = (id_ for id_ in subgraph.nodes if home[id_] is box and id_ in graph.nodes)
            box.ranks.append((rank, list(aligned)))
    return outermost


def _boxes(graph: Graph, outermost: Box) -> list[Box]:
    """Return the box of each subgraph: its own, or the box around it."""
    boxes: list[Box] = []
    counts: dict[str, int] = {}
    for subgraph in graph.subgraphs:
        box = boxes[subgraph.parent] if subgraph.parent >= 0 else outermost
        if subgraph.id.startswith(_CLUSTER) and box.depth < _DEEPEST:
            box.inner.append(Box(subgraph, _element(subgraph.id, counts), box.depth + 1))
            box = box.inner[-1]
        boxes.append(box)
    return boxes


def walk_boxes(outermost: Box) -> Iterator[tuple[Box, bool]]:
    """Yield every box but the sheet twice: with True where it begins, with False where it ends."""
    waiting = [iter(outermost.inner)]
    around: list[Box] = []
    while waiting:
        box = next(waiting[-1], None)
        if box is not None:
            yield box, True
            around.append(box)
            waiting.append(iter(box.inner))
            continue
        waiting.pop()
        if around:
            yield around.pop(), False


def _element(id_: str, counts: dict[str, int]) -> str:
    """Return `subgraph-<id>`, numbered from the second subgraph with that id."""
    counts[id_] = counts.get(id_, 0) + 1
    return f"subgraph-{encoded(id_)}" + (f"-{counts[id_]}" if counts[id_] > 1 else "")

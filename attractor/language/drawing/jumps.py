"""The ways of a walk that no edge stands for: to the nodes that work is taken up again at."""

from collections.abc import Iterator

from attractor.base.dataclasses import dataclass
from attractor.language.drawing.element_ids import encoded
from attractor.language.graph import Graph, Node
from attractor.language.values import Attributes

_CAPTIONS = {"retry_target": "retry", "fallback_retry_target": "fallback retry"}


@dataclass(frozen=True)
class Jump:
    """From a node to one of its retry targets; a goal gate without its own has the graph's."""

    source: str
    target: str
    attribute: str

    @property
    def caption(self) -> str:
        """What people read."""
        return _CAPTIONS[self.attribute]

    @property
    def element(self) -> str:
        """The id in a drawing: `retry-<from>-<to>` or `fallback-<from>-<to>`."""
        kind = self.caption.partition(" ")[0]
        return f"{kind}-{encoded(self.source)}-{encoded(self.target)}"


def jumps(graph: Graph) -> Iterator[Jump]:
    """Yield the jumps of a graph, as far as their targets are there."""
    for node in graph.nodes.values():
        attributes = _deciding(graph, node)
        for name in _CAPTIONS:
            target = attributes.text(name)
            if target and target in graph.nodes:
                yield Jump(node.id, target, name)


def _deciding(graph: Graph, node: Node) -> Attributes:
    own = node.attributes
    if node.is_goal_gate and not any(own.text(name) for name in _CAPTIONS):
        return graph.attributes
    return own

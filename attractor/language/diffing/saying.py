"""What a node, an edge, a subgraph or a graph says of itself, however that is written."""

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from attractor.language.attributes import ATTRIBUTES, AttributeType, KnownAttribute, Place
from attractor.language.diffing.meaning import meaning
from attractor.language.diffing.usual import Thing, usual
from attractor.language.graph import Edge, Graph, Node
from attractor.language.shapes import DEFAULT_SHAPE, DEFAULT_TYPE
from attractor.language.values import Attributes, ValueKind

_PLACES: Mapping[type, Place] = {Graph: Place.GRAPH, Node: Place.NODE, Edge: Place.EDGE}
_PLAIN_KIND = {"shape": DEFAULT_SHAPE, "type": DEFAULT_TYPE}
_NAMES_OF_NODES = frozenset({"retry_target", "fallback_retry_target", "human.default_choice"})

SAME_NAMES: Mapping[str, str] = MappingProxyType({})
"""How nodes are called later where none of them has another id."""


class Saying(NamedTuple):
    """What one thing of a graph says; `now` is how the nodes of that graph are called later."""

    thing: Thing
    graph: Graph
    now: Mapping[str, str] = SAME_NAMES

    @property
    def attributes(self) -> Attributes:
        """What it says, as it is written."""
        return self.thing.attributes

    @property
    def content(self) -> frozenset[tuple[str, Hashable]]:
        """All that it says, without what would hold anyway."""
        keys = {**self.attributes.by_key, **self._kind}
        return frozenset((key, self.meaning(key)) for key in keys if not self.is_usual(key))

    def says(self, key: str) -> bool:
        """Tell whether a key is written; every node has a shape and a type."""
        return key in self.attributes.by_key or key in self._kind

    def meaning(self, key: str) -> Hashable:
        """Return what it says of a key: the same where only the spelling differs."""
        if key in self._kind:
            return self._kind[key]
        value = self.attributes.value(key)
        if value is None or value.kind is ValueKind.TEMPLATE:
            return value
        text = str(value)
        known = self._known(key)
        if known and key in _NAMES_OF_NODES:
            return self.now.get(text, text)
        return meaning(text, known)

    def is_usual(self, key: str) -> bool:
        """Tell whether the same would hold if it did not say this."""
        if key in self._kind:
            return self._kind[key] == _PLAIN_KIND[key]
        known = self._known(key)
        if known is None:
            return False
        is_any_text = known.type is AttributeType.STRING and not known.choices
        if is_any_text and not self.attributes.text(key):
            return True
        default = usual(key, self.thing, self.graph)
        return default is not None and self.meaning(key) == meaning(default, known)

    @property
    def _kind(self) -> Mapping[str, str]:
        # One follows from the other, and for an end of the graph from its id.
        node = self.thing
        return {"shape": node.shape, "type": node.type} if isinstance(node, Node) else {}

    def _known(self, key: str) -> KnownAttribute | None:
        known, place = ATTRIBUTES.get(key), _PLACES.get(type(self.thing))
        return known if known and place in known.places else None

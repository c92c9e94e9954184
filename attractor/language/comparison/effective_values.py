"""What the text of an attribute means: `90s` is `"90s"`, and `succeeded` is `success`.

What holds where an attribute is not written: its default, or what the graph says instead.

What a node, an edge, a subgraph or a graph says of itself, however that is written.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language.conditions.condition import (
    OUTCOME_KEYS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    Unreadable,
    canonical_outcome,
    read_number,
)
from attractor.language.conditions.parse import read_condition
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.fidelity import DEFAULT_FIDELITY
from attractor.language.graph.graph import DEFAULT_SHAPE, DEFAULT_TYPE, Edge, Graph, Node, Subgraph
from attractor.language.graph.resolve import split_classes
from attractor.language.source.syntax_tree import Attributes, ValueKind, parse_integer


def meaning(text: str, known: KnownAttribute | None) -> Hashable:
    """Return what is the same for two texts that mean the same; what cannot be read is a text."""
    read = (_BY_NAME.get(known.name) or _BY_TYPE.get(known.type)) if known else None
    found = read(text) if read else None
    return text if found is None else found


def _duration(text: str) -> Hashable:
    try:
        return parse_duration(text)
    except InvalidDuration:
        return None


def _condition(text: str) -> Hashable:
    condition = read_condition(text)
    return None if isinstance(condition, Unreadable) else _by_one_name(condition)


def _by_one_name(condition: Condition) -> Hashable:
    """Return a condition with our words for outcomes; the order of its clauses means nothing."""
    match condition:
        case Comparison(key, literal, is_equal) if key in OUTCOME_KEYS:
            return Comparison(key, canonical_outcome(literal), is_equal)
        case Not(Comparison(key, literal, is_equal)):
            return _by_one_name(Comparison(key, literal, not is_equal))
        case AllOf(clauses) | AnyOf(clauses):
            return type(condition), frozenset(map(_by_one_name, clauses))
        case Not(clause):
            return Not, _by_one_name(clause)
        case _:
            return condition


def _stylesheet(text: str) -> Hashable:
    # Imported here: few callers need it.
    from attractor.language.declarations.stylesheet_grammar import read_stylesheet

    sheet, mistakes = read_stylesheet(text) if text.strip() else (None, ())
    if sheet is None or mistakes:
        return None
    declared = ({one.property: one.value for one in rule.declarations} for rule in sheet.rules)
    return tuple(
        (rule.kind, rule.name, frozenset(values.items()))
        for rule, values in zip(sheet.rules, declared, strict=True)
    )


_Read = Callable[[str], Hashable]
_BY_NAME: Mapping[str, _Read] = {
    "class": lambda text: frozenset(split_classes(text)),
    "condition": _condition,
    "manager.stop_condition": _condition,
    "model_stylesheet": _stylesheet,
}
_BY_TYPE: Mapping[AttributeType, _Read] = {
    AttributeType.INTEGER: parse_integer,
    AttributeType.NUMBER: read_number,
    AttributeType.DURATION: _duration,
}

Thing = Graph | Node | Edge | Subgraph
"""What attributes stand on."""

# By which attribute the graph speaks for its nodes.
_BY_THE_GRAPH: Mapping[str, str] = {
    "fidelity": "default_fidelity",
    "max_retries": "default_max_retries",
    "max_visits": "max_node_visits",
    "on_failure": "on_failure",
    "reasoning_effort": "reasoning_effort",
    "retry_policy": "retry_policy",
}
# Where the table has words for a person instead of a value, no text says the same as none.
_NO_VALUES = frozenset({"none", "derived"})


def usual(key: str, thing: Thing, graph: Graph) -> str | None:
    """Return the text that says what holds without it, or None when no text does."""
    match thing:
        case Node():
            return _of_node(key, thing, graph)
        case Edge() if key == "fidelity":
            target = graph.nodes[thing.target]
            return target.attributes.text(key) or _of_node(key, target, graph)
        case _:
            return written_default(key)


def written_default(key: str) -> str | None:
    """Return the default of an attribute as it would be written, or None when it cannot be."""
    if key == "default_fidelity":
        return DEFAULT_FIDELITY.value
    default = ATTRIBUTES[key].default
    return None if " " in default or default in _NO_VALUES else default


def _of_node(key: str, node: Node, graph: Graph) -> str | None:
    if key == "label":
        return node.id
    if key == "reasoning_effort" and graph.attributes.text("model_stylesheet"):
        return None
    above = _BY_THE_GRAPH.get(key)
    return graph.attributes.text(above) or written_default(above) if above else written_default(key)


_PLACES: Mapping[type, AttributeOwner] = {
    Graph: AttributeOwner.GRAPH,
    Node: AttributeOwner.NODE,
    Edge: AttributeOwner.EDGE,
}
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

"""The meaning of attributes, explicit or default, independent of their spelling.

`90s` is `"90s"`, `succeeded` is `success`, and `max_retries` defaults to the value of the graph.
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
    """Return a value that is equal for texts with the same meaning; an invalid text is itself."""
    read = (_BY_NAME.get(known.name) or _BY_TYPE.get(known.type)) if known else None
    value = read(text) if read else None
    return text if value is None else value


def _duration(text: str) -> Hashable:
    try:
        return parse_duration(text)
    except InvalidDuration:
        return None


def _condition(text: str) -> Hashable:
    condition = read_condition(text)
    return None if isinstance(condition, Unreadable) else _normalized(condition)


def _normalized(condition: Condition) -> Hashable:
    """Return a condition with standard outcomes, without the order of its clauses."""
    match condition:
        case Comparison(key, literal, is_equal) if key in OUTCOME_KEYS:
            return Comparison(key, canonical_outcome(literal), is_equal)
        case Not(Comparison(key, literal, is_equal)):
            return _normalized(Comparison(key, literal, not is_equal))
        case AllOf(clauses) | AnyOf(clauses):
            return type(condition), frozenset(map(_normalized, clauses))
        case Not(clause):
            return Not, _normalized(clause)
        case _:
            return condition


def _stylesheet(text: str) -> Hashable:
    # The grammar of stylesheets is compiled on import; few comparisons need it.
    from attractor.language.declarations.stylesheet_grammar import read_stylesheet

    sheet, mistakes = read_stylesheet(text) if text.strip() else (None, ())
    if sheet is None or mistakes:
        return None
    declared = ({line.property: line.value for line in rule.declarations} for rule in sheet.rules)
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


Element = Graph | Node | Edge | Subgraph
"""The parts of a graph that have attributes."""

# The attributes of a graph that are defaults for its nodes.
_GRAPH_DEFAULTS: Mapping[str, str] = {
    "fidelity": "default_fidelity",
    "max_retries": "default_max_retries",
    "max_visits": "max_node_visits",
    "on_failure": "on_failure",
    "reasoning_effort": "reasoning_effort",
    "retry_policy": "retry_policy",
}
# Defaults that describe a rule instead of a value.
_NO_VALUES = frozenset({"none", "derived"})


def effective_default(key: str, element: Element, graph: Graph) -> str | None:
    """Return the value that applies if an attribute is missing; None if no text expresses it."""
    match element:
        case Node():
            return _node_default(key, element, graph)
        case Edge() if key == "fidelity":
            target = graph.nodes[element.target]
            return target.attributes.text(key) or _node_default(key, target, graph)
        case _:
            return written_default(key)


def written_default(key: str) -> str | None:
    """Return the default of an attribute as text; None if no text expresses it."""
    if key == "default_fidelity":
        return DEFAULT_FIDELITY.value
    default = ATTRIBUTES[key].default
    return None if " " in default or default in _NO_VALUES else default


def _node_default(key: str, node: Node, graph: Graph) -> str | None:
    if key == "label":
        return node.id
    if key == "reasoning_effort" and graph.attributes.text("model_stylesheet"):
        return None
    graph_key = _GRAPH_DEFAULTS.get(key)
    if graph_key is None:
        return written_default(key)
    return graph.attributes.text(graph_key) or written_default(graph_key)


_OWNERS: Mapping[type, AttributeOwner] = {
    Graph: AttributeOwner.GRAPH,
    Node: AttributeOwner.NODE,
    Edge: AttributeOwner.EDGE,
}
_DEFAULT_KIND = {"shape": DEFAULT_SHAPE, "type": DEFAULT_TYPE}
_NAMES_OF_NODES = frozenset({"retry_target", "fallback_retry_target", "human.default_choice"})

NO_NEW_IDS: Mapping[str, str] = MappingProxyType({})
"""For graphs in which no node is renamed."""


class EffectiveAttributes(NamedTuple):
    """The attributes of an element; `new_ids` maps node ids to their ids in a later graph."""

    element: Element
    graph: Graph
    new_ids: Mapping[str, str] = NO_NEW_IDS

    @property
    def attributes(self) -> Attributes:
        """The attributes as they are written."""
        return self.element.attributes

    @property
    def content(self) -> frozenset[tuple[str, Hashable]]:
        """The meaning of all attributes except for explicit defaults."""
        keys = {**self.attributes.by_key, **self._kind}
        return frozenset((key, self.meaning(key)) for key in keys if not self.is_default(key))

    def has(self, key: str) -> bool:
        """Return whether an attribute is explicit; every node has a shape and a type."""
        return key in self.attributes.by_key or key in self._kind

    def meaning(self, key: str) -> Hashable:
        """Return the meaning of an attribute, which is equal for different spellings."""
        if key in self._kind:
            return self._kind[key]
        value = self.attributes.value(key)
        if value is None or value.kind is ValueKind.TEMPLATE:
            return value
        text = str(value)
        known = self._known(key)
        if known and key in _NAMES_OF_NODES:
            return self.new_ids.get(text, text)
        return meaning(text, known)

    def is_default(self, key: str) -> bool:
        """Return whether an attribute has the value that would apply without it."""
        if key in self._kind:
            return self._kind[key] == _DEFAULT_KIND[key]
        known = self._known(key)
        if known is None:
            return False
        is_any_text = known.type is AttributeType.STRING and not known.choices
        if is_any_text and not self.attributes.text(key):
            return True
        default = effective_default(key, self.element, self.graph)
        return default is not None and self.meaning(key) == meaning(default, known)

    @property
    def _kind(self) -> Mapping[str, str]:
        # Shape and type follow from each other, for start and exit also from the id.
        node = self.element
        return {"shape": node.shape, "type": node.type} if isinstance(node, Node) else {}

    def _known(self, key: str) -> KnownAttribute | None:
        known, owner = ATTRIBUTES.get(key), _OWNERS.get(type(self.element))
        return known if known and owner in known.places else None

"""An attribute is known and allowed where it is used.

What it does: reports an attribute that neither Attractor nor Graphviz knows, and a misplaced
attribute, such as a `prompt` on an edge.

Why: an unknown attribute is ignored. With a mistyped `max_retries` nothing is retried.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [promt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Edit, Severity, one_slip, suggester, warning
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    GRAPHVIZ_ATTRIBUTES,
    NO_ATTRIBUTE,
    RENAMED,
    AttributeOwner,
)
from attractor.language.graph.graph import Graph, Holder, each_unknown_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.syntax_tree import Attribute
from attractor.language.source.text import quote, written_word

_ROWS = tuple(ATTRIBUTES.values())
_AT_HOME: Mapping[AttributeOwner, frozenset[str]] = {
    place: GRAPHVIZ_ATTRIBUTES.union(row.name for row in _ROWS if place in row.places)
    for place in AttributeOwner
}
_SUGGESTED: Mapping[AttributeOwner, tuple[str, ...]] = {
    place: tuple(row.name for row in _ROWS if place in row.places and not row.alias_of)
    for place in AttributeOwner
}
_NAMED = {
    AttributeOwner.GRAPH: "the graph",
    AttributeOwner.NODE: "a node",
    AttributeOwner.EDGE: "an edge",
}


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    adviser = _Adviser()
    for holder, attribute in each_unknown_attribute(graph, _AT_HOME):
        key = attribute.key
        elsewhere = f"{quote(key)} has no effect on {_NAMED[holder.place]}"
        advice = adviser.advice(holder, attribute)
        yield warning(
            elsewhere if key in ATTRIBUTES else f"unknown attribute {quote(key)}",
            attribute.span,
            node=holder.node,
            edge=holder.edge,
            fix=advice.fix,
            edits=advice.edits,
        )


class _Advice(NamedTuple):
    fix: str
    edits: tuple[Edit, ...] = ()


class _Adviser:
    """Suggests fixes for unknown attributes."""

    def __init__(self) -> None:
        self._suggest = {place: suggester(_SUGGESTED[place]) for place in AttributeOwner}
        self._meant: dict[int, Counter[str]] = {}

    def advice(self, holder: Holder, attribute: Attribute) -> _Advice:
        """Return the fix of one attribute."""
        key, place = attribute.key, holder.place
        if key in ATTRIBUTES:
            homes = " or ".join(_NAMED[place] for place in ATTRIBUTES[key].places)
            return _Advice(f"move it to {homes}")
        meant = _slip(key, place)
        # An attribute of another tool.
        ours = RENAMED.get((place, key), "")
        renamed = f"did you mean {ours}?" if ours else NO_ATTRIBUTE.get(key, "")
        fix = renamed or self._suggest[place](key) or "remove it"
        if not meant or meant in holder.attributes.by_key:
            return _Advice(fix)
        others = self._times_meant(holder)[meant] - 1
        if others:
            # Fixing both would create a duplicate, and lose one of the values.
            return _Advice(
                f"did you mean {meant}? {others} more attributes may mean the same: keep only one "
                f"of them"
            )
        return _Advice(fix, (Edit(attribute.span, written_word(meant)),))

    def _times_meant(self, holder: Holder) -> Counter[str]:
        """Return how many attributes of one owner are misspellings of each name."""
        known = self._meant.get(id(holder.attributes))
        if known is None:
            slips = (_slip(key, holder.place) for key in holder.attributes.by_key)
            known = self._meant[id(holder.attributes)] = Counter(slips)
        return known


def _slip(key: str, place: AttributeOwner) -> str:
    return "" if key in ATTRIBUTES else one_slip(key, _SUGGESTED[place])


part = BuiltInRule(Severity.WARNING, _apply)

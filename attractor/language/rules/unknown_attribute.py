"""An attribute means something where it stands.

What it does: reports an attribute that neither Attractor nor Graphviz knows, and one that belongs
somewhere else, such as a `prompt` on an edge.

Why: an unknown attribute is ignored in silence. A mistyped `max_retries` is no retry.

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

from collections.abc import Iterator, Mapping

from attractor.language.attributes import ATTRIBUTES, Place
from attractor.language.converting.foreign_words import NO_ATTRIBUTE, RENAMED
from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.graph import Graph
from attractor.language.graphviz import GRAPHVIZ_ATTRIBUTES
from attractor.language.holders import Holder, each_stranger
from attractor.language.nearest import suggester
from attractor.language.slips import one_slip
from attractor.language.values import Attribute
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote
from attractor.language.words import written_word

_ROWS = tuple(ATTRIBUTES.values())
_AT_HOME: Mapping[Place, frozenset[str]] = {
    place: GRAPHVIZ_ATTRIBUTES.union(row.name for row in _ROWS if place in row.places)
    for place in Place
}
_SUGGESTED: Mapping[Place, tuple[str, ...]] = {
    place: tuple(row.name for row in _ROWS if place in row.places and not row.alias_of)
    for place in Place
}
_NAMED = {Place.GRAPH: "the graph", Place.NODE: "a node", Place.EDGE: "an edge"}


class UnknownAttribute:
    """Attributes are known."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each one that nobody reads."""
        suggest = {place: suggester(_SUGGESTED[place]) for place in Place}
        for holder, attribute in each_stranger(graph, _AT_HOME):
            key, place = attribute.key, holder.place
            elsewhere = ATTRIBUTES.get(key)
            if elsewhere:
                message = f"{quote(key)} means nothing on {_NAMED[place]}"
                fix = f"it belongs on {' or '.join(_NAMED[one] for one in elsewhere.places)}"
            else:
                message = f"unknown attribute {quote(key)}"
                fix = _by_another_name(place, key) or suggest[place](key) or "take it away"
            yield Diagnostic(
                self.severity,
                message,
                attribute.span,
                node=holder.node,
                edge=holder.edge,
                fix=fix,
                edits=() if elsewhere else _edits(holder, attribute),
            )


def _by_another_name(place: Place, key: str) -> str:
    """Return what to do about an attribute that other tools have."""
    ours = RENAMED.get((place, key), "")
    return f"did you mean {ours}?" if ours else NO_ATTRIBUTE.get(key, "")


def _edits(holder: Holder, attribute: Attribute) -> tuple[Edit, ...]:
    meant = one_slip(attribute.key, _SUGGESTED[holder.place])
    if not meant or meant in holder.attributes.by_key:
        return ()
    return (Edit(attribute.span, written_word(meant)),)


part = UnknownAttribute()

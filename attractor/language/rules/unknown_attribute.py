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

from collections.abc import Iterator

from attractor.language.attributes import ATTRIBUTES, Place
from attractor.language.diagnostics import Diagnostic, warning
from attractor.language.graph import Graph
from attractor.language.graphviz import GRAPHVIZ_ATTRIBUTES
from attractor.language.holders import each_attribute
from attractor.language.nearest import suggester
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote

_AT_HOME = frozenset((place, row.name) for row in ATTRIBUTES.values() for place in row.places)

# How other tools call them.
_ELSEWHERE = {"script": "tool_command", "model": "llm_model", "provider": "llm_provider"}


class UnknownAttribute:
    """Attributes are known."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each one that nobody reads."""
        suggest = {place: suggester(_known(place)) for place in Place}
        for holder, attribute in each_attribute(graph):
            key = attribute.key
            if (holder.place, key) in _AT_HOME or key in GRAPHVIZ_ATTRIBUTES:
                continue
            elsewhere = ATTRIBUTES.get(key)
            if elsewhere:
                message = f"{quote(key)} means nothing on {_named(holder.place)}"
                fix = f"it belongs on {' or '.join(map(_named, elsewhere.places))}"
            else:
                message = f"unknown attribute {quote(key)}"
                meant = _ELSEWHERE.get(key)
                fix = f"write {meant}" if meant else suggest[holder.place](key) or "take it away"
            yield warning(message, attribute.span, node=holder.node, edge=holder.edge, fix=fix)


def _known(place: Place) -> list[str]:
    return [name for where, name in _AT_HOME if where is place]


def _named(place: Place) -> str:
    return {"graph": "the graph", "node": "a node", "edge": "an edge"}[place]


part = UnknownAttribute()

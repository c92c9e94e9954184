"""Iterates over the conditions on edges, each with its place in the file."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from attractor.language.conditions.condition import ALWAYS, OUTCOMES, Condition, canonical_outcome
from attractor.language.diagnostics import Edit, one_slip
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import Span, quoted
from attractor.language.source.text import (
    span_within,
)


class EdgeCondition(NamedTuple):
    """A condition of an edge, with its text."""

    edge: Edge
    condition: Condition
    text: str

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target of the edge."""
        return self.edge.source, self.edge.target

    def span(self, start: int, end: int) -> Span:
        """Return the span of a part of the condition."""
        value = self.edge.attributes.value("condition")
        if value is None or not value.span.is_somewhere:
            return self.edge.span
        return span_within(value, start, end)


def edge_conditions(
    graph: Graph, concerns: Callable[[Condition, str], bool]
) -> Iterator[EdgeCondition]:
    """Yield the conditions that a predicate selects; one that edges of a chain share once."""
    asked: dict[int, bool] = {}
    seen: set[Span] = set()
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        # Conditions with the same text are the same object: most pipelines have few.
        answer = asked.get(id(condition))
        if answer is None:
            text = edge.attributes.text("condition")
            answer = asked[id(condition)] = condition is not ALWAYS and concerns(condition, text)
        if not answer:
            continue
        value = edge.attributes.value("condition")
        if value is None or (value.span.is_somewhere and value.span in seen):
            continue
        seen.add(value.span)
        yield EdgeCondition(edge, condition, str(value))


def edits_within(guard: EdgeCondition, start: int, end: int, instead: str) -> tuple[Edit, ...]:
    """Return the edit of a part of a condition, if its place is known exactly."""
    value = guard.edge.attributes.value("condition")
    if not instead or value is None or not value.span.is_somewhere:
        return ()
    span = span_within(value, start, end)
    return (Edit(span, quoted(instead)[1:-1]),) if span != value.span else ()


_OUTCOME = ("outcome",)
# Keys of other tools for the outcome.
_OTHER_NAMES = frozenset({"status", "result"})
_CLAUSE = re.compile(r'(?<![\w.":-])(?P<key>[A-Za-z_]\w*)\s*!?=\s*"?(?P<word>\w+)(?![\w.-])')


class MisspelledOutcome(NamedTuple):
    """A misspelled key and its place; `instead` is empty if the intention is unclear."""

    key: str
    start: int
    end: int
    instead: str


def misspelled_outcomes(text: str) -> Iterator[MisspelledOutcome]:
    """Yield each key such as `Outcome` or `status` that is compared with an outcome."""
    for found in _CLAUSE.finditer(text):
        key, slip = found["key"], one_slip(found["key"], _OUTCOME)
        is_misnamed = key not in _OUTCOME and (slip or key in _OTHER_NAMES)
        if is_misnamed and canonical_outcome(found["word"]) in OUTCOMES:
            yield MisspelledOutcome(key, *found.span("key"), slip)

"""Goes over the conditions of a graph's edges, each where it stands."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from attractor.language.conditions import ALWAYS, Condition
from attractor.language.diagnostics import Edit
from attractor.language.graph import Edge, Graph
from attractor.language.spans import Span
from attractor.language.values import quoted
from attractor.language.within import span_within


class Guard(NamedTuple):
    """A condition as it was written on an edge."""

    edge: Edge
    condition: Condition
    text: str

    @property
    def ends(self) -> tuple[str, str]:
        """Where its edge leads from and to."""
        return self.edge.source, self.edge.target

    def span(self, start: int, end: int) -> Span:
        """Return the place of a part of it."""
        value = self.edge.attributes.value("condition")
        if value is None or not value.span.is_somewhere:
            return self.edge.span
        return span_within(value, start, end)


def each_guard(graph: Graph, concerns: Callable[[Condition, str], bool]) -> Iterator[Guard]:
    """Yield every condition that concerns somebody; one that a chain's edges share comes once."""
    asked: dict[int, bool] = {}
    seen: set[Span] = set()
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        # What was read from the same text is the same object: most pipelines have few of them.
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
        yield Guard(edge, condition, str(value))


def edits_within(guard: Guard, start: int, end: int, instead: str) -> tuple[Edit, ...]:
    """Return the change of a part of a condition, if its place in the file is known exactly."""
    value = guard.edge.attributes.value("condition")
    if not instead or value is None or not value.span.is_somewhere:
        return ()
    span = span_within(value, start, end)
    return (Edit(span, quoted(instead)[1:-1]),) if span != value.span else ()

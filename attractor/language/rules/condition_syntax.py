r"""The condition of an edge can be read.

What it does: reports a condition that is not made of `KEY=VALUE` and `KEY!=VALUE`, joined by `&&`.
A value with blanks or signs stands in quotes; a key is `outcome`, `preferred_label` or
`context.NAME`.

Why: an edge whose condition nobody understands can never be taken, which would show only when a
run comes to it.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome is success"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome=success && context.note!=\"not yet\""]
    }
"""

from collections.abc import Iterator

from attractor.language.conditions import Unreadable
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph import Edge, Graph
from attractor.language.spans import Span
from attractor.language.vocabulary import Vocabulary
from attractor.language.within import span_within


class ConditionSyntax:
    """Conditions can be read."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each condition with a mistake."""
        seen: set[Span] = set()
        for edge in graph.edges:
            condition = edge.condition
            if isinstance(condition, Unreadable):
                span = _span(edge, condition)
                # The edges of a chain share one condition.
                if span in seen and span.is_somewhere:
                    continue
                seen.add(span)
                ends = (edge.source, edge.target)
                yield error(condition.fault, span, edge=ends, fix=condition.fix)


def _span(edge: Edge, condition: Unreadable) -> Span:
    value = edge.attributes.value("condition")
    if value is None or not value.span.is_somewhere:
        return edge.span
    return span_within(value, condition.start, condition.end)


part = ConditionSyntax()

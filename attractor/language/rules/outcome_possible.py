"""The condition of an edge asks for an outcome that its source can have.

What it does: reports a condition that holds for no outcome the edge can meet. The start and the
exit only succeed, a command succeeds or fails, and no edge meets `retry`: a stage out of attempts
has failed. What a handler of another sort may say is not known, so it may say anything else.

Why: such an edge is never taken, however likely it looks.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        mend  [prompt="Mend"]
        exit  [shape=Msquare]
        start -> work
        work -> exit
        work -> mend [condition="outcome=retry"]
        mend -> work
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        mend  [prompt="Mend"]
        exit  [shape=Msquare]
        start -> work
        work -> exit
        work -> mend [condition="outcome=fail"]
        mend -> work
    }
"""

from collections.abc import Iterator, Sequence

from attractor.language.conditions.analysis import could_hold
from attractor.language.conditions.condition import OUTCOME_KEYS, OUTCOMES, Comparison
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Edge, Graph
from attractor.language.graph.outcomes import possible_outcomes
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote

# These are for every stage to meet.
_COMMON = (Comparison("outcome", "success"),)


class OutcomePossible:
    """Conditions can hold."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each condition for which no outcome is there; other words have another rule."""
        for edge in graph.edges_with("condition"):
            condition = edge.condition
            if condition in _COMMON or not condition.keys() & OUTCOME_KEYS:
                continue
            source = graph.nodes.get(edge.source)
            # The edges of a fork are branches: none of them is chosen.
            if source is None or source.type in FORKS:
                continue
            possible = possible_outcomes(graph, source)
            if not could_hold(condition, possible) and could_hold(condition, OUTCOMES):
                yield self._report(edge, possible)

    def _report(self, edge: Edge, possible: Sequence[str]) -> Diagnostic:
        value = edge.attributes.value("condition")
        return Diagnostic(
            self.severity,
            f"an edge out of {quote(edge.source)} never meets this outcome",
            value.span if value else edge.span,
            edge=(edge.source, edge.target),
            fix=f"it can be {' or '.join(possible)}",
        )


part = OutcomePossible()

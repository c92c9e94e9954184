"""A condition can be true.

What it does: reports a condition that compares the outcome with an unknown word, a condition that
contradicts itself, and a condition on a misspelled outcome, such as `Outcome=fail` or
`status=success`. The outcomes are `success`, `partial_success`, `retry`, `fail` and `skipped`.

Why: an edge with such a condition is either never taken or always taken.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome=Success"]
        work -> work [condition="outcome=fail && outcome=retry"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_visits=4]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome=success"]
        work -> work [condition="outcome!=success"]
    }
"""

from collections.abc import Iterator

from attractor.language.conditions.condition import is_plain
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import (
    BuiltInRule,
    Vocabulary,
    edge_conditions,
    misspelled_outcomes,
)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for guard in edge_conditions(graph, lambda condition, _: not is_plain(condition)):
        # Few conditions need an analysis.
        from attractor.language.conditions.analysis import find_dead_parts

        dead = find_dead_parts(guard.condition, guard.text)
        for mistake in (*dead, *misspelled_outcomes(guard.text)):
            yield guard.report(Severity.WARNING, mistake)


part = BuiltInRule(Severity.WARNING, _apply)

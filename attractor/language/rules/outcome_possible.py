"""The source of an edge can have the outcome that its condition needs.

What it does: reports a condition that is false for every outcome of the source. Start and exit
always succeed, a command succeeds or fails, and no edge sees `retry`: after the last attempt the
outcome is a failure.

Why: such an edge is never taken.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        mend  [prompt="Fix"]
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
        mend  [prompt="Fix", max_visits=4]
        exit  [shape=Msquare]
        start -> work
        work -> exit
        work -> mend [condition="outcome=fail"]
        mend -> work
    }
"""

from collections.abc import Iterator

from attractor.language.conditions.analysis import could_hold
from attractor.language.conditions.condition import OUTCOME_KEYS, OUTCOMES, Comparison, keys_of
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import possible_outcomes
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

# Every stage can have this outcome.
_COMMON = (Comparison("outcome", "success"),)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        if condition in _COMMON or not keys_of(condition) & OUTCOME_KEYS:
            continue
        source = graph.nodes.get(edge.source)
        # The edges of a fork are branches, all of them are taken.
        if source is None or source.type in FORKS:
            continue
        possible = possible_outcomes(graph, source)
        if not could_hold(condition, possible) and could_hold(condition, OUTCOMES):
            value = edge.attributes.value("condition")
            yield warning(
                f"{quote(edge.source)} never has this outcome",
                value.span if value else edge.span,
                edge=(edge.source, edge.target),
                fix=f"use {' or '.join(possible)}",
            )


part = BuiltInRule(Severity.WARNING, _apply)

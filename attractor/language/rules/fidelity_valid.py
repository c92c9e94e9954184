"""The fidelity of a stage is valid.

What it does: reports a `fidelity` or `default_fidelity` other than `full`, `truncate`, `compact`,
`summary:low`, `summary:medium` and `summary:high`.

Why: an unknown fidelity falls back to the default, so the stage gets more or less context than
intended.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", fidelity="summary"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", fidelity="summary:low"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import (
    Diagnostic,
    Severity,
    one_slip,
    suggester,
    warning,
    word_edits,
)
from attractor.language.graph.graph import FIDELITIES, Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_KEYS = frozenset({"fidelity", "default_fidelity"})


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    suggest = suggester(FIDELITIES)
    for holder, attribute in each_attribute(graph, _KEYS):
        mode, span = str(attribute.value), attribute.value.span
        if mode and mode not in FIDELITIES:
            meant = one_slip(mode, FIDELITIES)
            yield warning(
                f"unknown fidelity {quote(mode)}",
                span,
                node=holder.node,
                edge=holder.edge,
                fix=suggest(mode) or f"use one of {', '.join(FIDELITIES)}",
                edits=word_edits(attribute.value, meant),
            )


part = BuiltInRule(Severity.WARNING, _apply)

"""Each choice of a human gate has its own key.

What it does: reports two edges out of a human gate whose labels have the same key. The key of `[Y]
Yes`, `Y) Yes` and `Y - Yes` is Y; the key of any other label is its first letter.

Why: people type the key. Choices with the same key get numbers instead.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [shape=hexagon, label="Ship it?"]
        mend   [prompt="Fix"]
        exit   [shape=Msquare]
        start -> review
        review -> exit [label="Approve"]
        review -> mend [label="Ask for changes"]
        mend -> review
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        review [shape=hexagon, label="Ship it?"]
        mend   [prompt="Fix", max_visits=4]
        exit   [shape=Msquare]
        start -> review
        review -> exit [label="[A] Approve"]
        review -> mend [label="[C] Ask for changes"]
        mend -> review
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import human_gates
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    accelerator = vocabulary.accelerator
    if accelerator is None:
        return
    for _, choices in human_gates(graph):
        first: dict[str, str] = {}
        for (label, _), edge in choices.items():
            key = accelerator(label)
            other = first.setdefault(key, label)
            if other != label:
                value = edge.attributes.value("label")
                yield warning(
                    f"{quote(other)} and {quote(label)} have the same key {key}",
                    value.span if value else edge.span,
                    edge=(edge.source, edge.target),
                    fix="add another key to one of the labels: [X] Label",
                )


part = BuiltInRule(Severity.WARNING, _apply)

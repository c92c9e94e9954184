"""The choices of a human gate have labels.

What it does: reports an edge without a label out of a human gate with more than one choice.

Why: people choose by label. Without a label they see the id of the next node, and the id does not
describe the decision.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [shape=hexagon, label="Ship it?"]
        mend   [prompt="Fix"]
        exit   [shape=Msquare]
        start -> review
        review -> exit
        review -> mend
        mend -> review
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        review [shape=hexagon, label="Ship it?"]
        mend   [prompt="Fix", max_visits=4]
        exit   [shape=Msquare]
        start -> review
        review -> exit [label="[S] Ship it"]
        review -> mend [label="[M] Fix it first"]
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
    for node, choices in human_gates(graph):
        for edge in choices.values() if len(choices) > 1 else ():
            if not edge.label.strip():
                yield warning(
                    f"the edge from {quote(node.id)} to {quote(edge.target)} has no label",
                    edge.span,
                    edge=(edge.source, edge.target),
                    fix='add label="..." with the name of the choice',
                )


part = BuiltInRule(Severity.WARNING, _apply)

"""The choices of a human gate have labels.

What it does: reports an edge without a label out of a human gate that offers more than one choice.

Why: a person is asked to choose among the labels. Where there is none they see the id of the next
node, which says where the run goes, not what they decide.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        review [shape=hexagon, label="Ship it?"]
        mend   [prompt="Mend"]
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
        mend   [prompt="Mend"]
        exit   [shape=Msquare]
        start -> review
        review -> exit [label="[S] Ship it"]
        review -> mend [label="[M] Mend it first"]
        mend -> review
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.graph.outcomes import human_gates
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class HumanGateLabels:
    """Choices have labels."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each choice without one."""
        for node, choices in human_gates(graph):
            for edge in choices.values() if len(choices) > 1 else ():
                if not edge.label.strip():
                    yield Diagnostic(
                        self.severity,
                        f"the way from {quote(node.id)} to {quote(edge.target)} has no label",
                        edge.span,
                        edge=(edge.source, edge.target),
                        fix='add label="..." with what a person decides',
                    )


part = HumanGateLabels()

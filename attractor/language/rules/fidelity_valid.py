"""A fidelity is one that exists.

What it does: reports a `fidelity` or `default_fidelity` that is none of `full`, `truncate`,
`compact`, `summary:low`, `summary:medium` and `summary:high`.

Why: an unknown one falls back to the default, and the stage is told more or less than was meant.

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

from attractor.language.diagnostics import Diagnostic, Severity, one_slip, suggester, word_edits
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.fidelity import FIDELITIES
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote

_KEYS = frozenset({"fidelity", "default_fidelity"})


class FidelityValid:
    """Fidelities exist."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each fidelity that does not."""
        suggest = suggester(FIDELITIES)
        for holder, attribute in each_attribute(graph, _KEYS):
            mode, span = str(attribute.value), attribute.value.span
            if mode and mode not in FIDELITIES:
                meant = one_slip(mode, FIDELITIES)
                yield Diagnostic(
                    self.severity,
                    f"{quote(mode)} is no fidelity",
                    span,
                    node=holder.node,
                    edge=holder.edge,
                    fix=suggest(mode) or f"write one of {', '.join(FIDELITIES)}",
                    edits=word_edits(attribute.value, meant),
                )


part = FidelityValid()

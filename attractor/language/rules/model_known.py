"""A model is one of the catalogue.

What it does: reports an `llm_model`, on a node, on the graph or in the stylesheet, that the
catalogue of models does not have. It is silent where the catalogue is not known.

Why: the name goes to the provider as it is, and a mistyped one is refused when the stage is
reached. A model newer than the catalogue works; its price is not known then.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_model="claude-sonet-4-5"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_model="claude-sonnet-4-5"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.unknown_names import unknown_names
from attractor.language.source.text import quote


class ModelKnown:
    """Models are in the catalogue."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each model that is not."""
        for one in unknown_names(graph, "llm_model", vocabulary.models):
            message = f"no model {quote(one.name)} is known"
            yield Diagnostic(
                self.severity, message, one.span, node=one.node, fix=one.fix, edits=one.edits
            )


part = ModelKnown()

"""A backend is one that exists.

What it does: reports a `backend` that is none of those there are. It is silent where the
backends are not known.

Why: nothing can execute the stage, which shows when the run is to begin.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", backend="simulat"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", backend="simulate"]
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


class BackendKnown:
    """Backends exist."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each backend that is not."""
        for one in unknown_names(graph, "backend", vocabulary.backends):
            message = f"no backend {quote(one.name)} is known"
            yield Diagnostic(
                self.severity, message, one.span, node=one.node, fix=one.fix, edits=one.edits
            )


part = BackendKnown()

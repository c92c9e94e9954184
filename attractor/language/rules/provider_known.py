"""A provider is one that can be spoken to.

What it does: reports an `llm_provider`, on a node, on the graph or in the stylesheet, that no
adapter is there for. Those that the specification names (`openai`, `anthropic`, `gemini`, which is
`google` to some) are none of them. It is silent where the providers are not known.

Why: nobody can be asked to do the stage, which shows when the run is to begin.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_provider="antropic"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", llm_provider="anthropic"]
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

# A pipeline is written for more than one machine: what it names may be elsewhere (spec 8.4).
_SPECIFIED = frozenset({"openai", "anthropic", "gemini", "google"})


class ProviderKnown:
    """Providers can be spoken to."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each provider that is not."""
        for one in unknown_names(graph, "llm_provider", vocabulary.providers, besides=_SPECIFIED):
            message = f"no provider {quote(one.name)} is known"
            yield Diagnostic(
                self.severity, message, one.span, node=one.node, fix=one.fix, edits=one.edits
            )


part = ProviderKnown()

"""There is an adapter for the provider.

What it does: reports an unknown `llm_provider` of a node, the graph or the stylesheet. The
providers of the specification (`openai`, `anthropic`, `gemini`, or `google`) are always known.

Why: no stage can run with an unknown provider; the run fails before it begins.

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
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary, unknown_names

# A pipeline may run on another machine, which has the adapter (spec 8.4).
_SPECIFIED = frozenset({"openai", "anthropic", "gemini", "google"})


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    return unknown_names(
        graph, "provider", "llm_provider", vocabulary.providers, also_known=_SPECIFIED
    )


part = BuiltInRule(Severity.WARNING, _apply)

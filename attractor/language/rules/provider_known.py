"""There is an adapter for the provider.

What it does: reports an unknown `llm_provider` of a node, the graph or the stylesheet. The
providers of the specification (`openai`, `anthropic`, `gemini`, or `google`) are always known.

Why: a run refuses a stage with an unknown provider; only a simulation can run it. With
`attractor validate --strict`, this is an error.

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
    known = vocabulary.providers
    return unknown_names(
        graph, "provider", "llm_provider", known, also_known=_SPECIFIED, is_required=True
    )


part = BuiltInRule(Severity.WARNING, _apply)

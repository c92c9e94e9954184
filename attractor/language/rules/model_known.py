"""The model catalog lists the model.

What it does: reports an `llm_model` of a node, the graph or the stylesheet that the catalog of
models does not list.

Why: the provider rejects a mistyped name when the stage runs. A model newer than the catalog works,
but its price is unknown.

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
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary, unknown_names

_LIST = "'attractor models' lists the known models"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    return unknown_names(graph, "model", "llm_model", vocabulary.models, otherwise=_LIST)


part = BuiltInRule(Severity.WARNING, _apply)

"""The backend of a node exists.

What it does: reports an unknown `backend`.

Why: a run refuses a stage with an unknown backend; only a simulation can run it. With
`attractor validate --strict`, this is an error.

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
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary, unknown_names


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    return unknown_names(graph, "backend", "backend", vocabulary.backends, is_required=True)


part = BuiltInRule(Severity.WARNING, _apply)

"""The agent of a node exists.

What it does: reports an `agent` that is neither shipped nor in the folder `agents/` of the project.

Why: a run refuses a stage with an unknown agent; only a simulation can run it. With
`attractor validate --strict`, this is an error.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", agent="codr"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", agent="coder"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary, unknown_names


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    return unknown_names(graph, "agent", "agent", vocabulary.agents, is_required=True)


part = BuiltInRule(Severity.WARNING, _apply)

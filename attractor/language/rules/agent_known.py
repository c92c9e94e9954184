"""An agent is one that is installed or configured.

What it does: reports an `agent` that nobody has described. It is silent where the agents are not
known.

Why: nobody can be asked to do the stage, which shows when the run is to begin.

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
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.unknown_names import unknown_names
from attractor.language.source.text import quote


class AgentKnown:
    """Agents are there."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each agent that is not."""
        for one in unknown_names(graph, "agent", vocabulary.agents):
            message = f"no agent {quote(one.name)} is known"
            yield Diagnostic(
                self.severity, message, one.span, node=one.node, fix=one.fix, edits=one.edits
            )


part = AgentKnown()

"""The branches of a parallel node meet at a fan-in.

What it does: reports a parallel node, or one of type `for_each`, whose branches have no
`parallel.fan_in` in common before they meet elsewhere.

Why: a fan-in puts the results of the branches together: it names the best one, and its files are
those that the run goes on with. Without it the files of every branch are left behind.

Example:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> exit
        fork -> two -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        fork  [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        best  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> fork
        fork -> one -> best
        fork -> two -> best
        best -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.branches import FAN_IN, find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class FanInMissing:
    """Branches have a fan-in."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node whose branches meet elsewhere."""
        for fork in find_forks(graph):
            if fork.meeting and graph.nodes[fork.meeting].type == FAN_IN:
                continue
            where = f"meet at {quote(fork.meeting)}" if fork.meeting else "never meet"
            yield Diagnostic(
                self.severity,
                f"the branches of {quote(fork.node)} have no fan-in: they {where}",
                graph.nodes[fork.node].span,
                node=fork.node,
                fix="lead all of them to a node of shape tripleoctagon",
            )


part = FanInMissing()

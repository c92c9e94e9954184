"""The branches of a parallel node meet at a fan-in.

What it does: reports a node of type `parallel` or `for_each` whose branches do not meet at a
`parallel.fan_in`.

Why: a fan-in combines the results of the branches: it selects the best branch and continues with
its files. Without a fan-in the files of all branches are lost.

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

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FAN_IN, find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for fork in find_forks(graph):
        if fork.taken or (fork.meeting and graph.nodes[fork.meeting].type == FAN_IN):
            continue
        where = f"meet at {quote(fork.meeting)}" if fork.meeting else "never meet"
        yield warning(
            f"missing fan-in: the branches of {quote(fork.node)} {where}",
            graph.nodes[fork.node].span,
            node=fork.node,
            fix="connect all branches to a node of shape tripleoctagon",
        )


part = BuiltInRule(Severity.WARNING, _apply)

"""Nested forks need a fan-in each.

What it does: reports a node of type `parallel` or `for_each` whose branches could only meet at the
fan-in of a fork inside one of them.

Why: a fan-in combines the results of one fork. It cannot combine the branches of the inner fork
and, at the same time, the branches around them: the files of one of both would be lost.

Example:

    digraph Example {
        start [shape=Mdiamond]
        outer [shape=component]
        inner [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        test  [prompt="Write the tests"]
        best  [shape=tripleoctagon]
        exit  [shape=Msquare]
        start -> outer -> inner
        inner -> one -> best
        inner -> two -> best
        outer -> test -> best -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        outer [shape=component]
        inner [shape=component]
        one   [prompt="Solve it with a table"]
        two   [prompt="Solve it with a tree"]
        test  [prompt="Write the tests"]
        best  [shape=tripleoctagon]
        all   [shape=tripleoctagon, merge="all"]
        exit  [shape=Msquare]
        start -> outer -> inner
        inner -> one -> best
        inner -> two -> best
        best -> all
        outer -> test -> all -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.branches import find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for fork in find_forks(graph):
        if fork.taken:
            yield error(
                f"the branches of {quote(fork.node)} have no fan-in of their own: "
                f"{quote(fork.taken)} is the fan-in of {quote(fork.taken_by)}",
                graph.nodes[fork.node].span,
                node=fork.node,
                fix=f"add a node of shape tripleoctagon after {fork.taken}",
            )


part = BuiltInRule(Severity.ERROR, _apply)

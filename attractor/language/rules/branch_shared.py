"""A stage belongs to one parallel branch, or is the stage where all branches meet.

What it does: reports a node that some, but not all, branches of a parallel node reach before they
meet.

Why: every branch executes the node again in its own workspace. The node looks like a place where
branches join, but they do not.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        fork   [shape=component]
        one    [prompt="Solve it with a table"]
        two    [prompt="Solve it with a tree"]
        three  [prompt="Solve it with a list"]
        polish [prompt="Polish"]
        best   [shape=tripleoctagon]
        exit   [shape=Msquare]
        start -> fork
        fork -> one -> polish -> best
        fork -> two -> polish
        fork -> three -> best
        best -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        fork   [shape=component]
        one    [prompt="Solve it with a table, and polish it"]
        two    [prompt="Solve it with a tree, and polish it"]
        three  [prompt="Solve it with a list"]
        best   [shape=tripleoctagon]
        exit   [shape=Msquare]
        start -> fork
        fork -> one -> best
        fork -> two -> best
        fork -> three -> best
        best -> exit
    }
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import find_forks
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for fork in find_forks(graph):
        times = Counter(chain.from_iterable(fork.branches.values()))
        for id_, count in times.items():
            node = graph.nodes.get(id_)
            if node and 1 < count < len(fork.branches):
                yield warning(
                    f"{count} of {len(fork.branches)} branches of {quote(fork.node)} "
                    f"reach {quote(id_)} before they meet",
                    node.span,
                    node=id_,
                    fix="give each branch its own stage, or connect all branches to this node",
                )


part = BuiltInRule(Severity.WARNING, _apply)

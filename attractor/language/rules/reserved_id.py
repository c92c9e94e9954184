"""The id of a node is not reserved.

What it does: reports a node with the id `artifacts`, `children`, `evaluation`, `history`, `inbox`
or `incidents`, in upper or lower case.

Why: a stage writes to a folder with the id of its node, and a run has its own folders with these
names.

Example:

    digraph Example {
        start      [shape=Mdiamond]
        evaluation [prompt="Judge what was built"]
        exit       [shape=Msquare]
        start -> evaluation -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        judge [prompt="Judge what was built"]
        exit  [shape=Msquare]
        start -> judge -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

RESERVED_IDS = frozenset({"artifacts", "children", "evaluation", "history", "inbox", "incidents"})


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for id_, node in graph.nodes.items():
        if id_.casefold() in RESERVED_IDS:
            yield error(
                f"reserved id {quote(node.id)}: every run has a folder of this name",
                node.span,
                node=node.id,
                fix=f"use another id, such as {node.id}_stage",
            )


part = BuiltInRule(Severity.ERROR, _apply)

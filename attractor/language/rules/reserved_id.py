"""A node's id is not the name of something else in the folder of a run.

What it does: reports a node with one of the ids `artifacts`, `children`, `evaluation`, `history`,
`inbox` and `incidents`, in whatever letters.

Why: a stage writes into a folder with its node's id, and these folders of a run are taken.

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

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote

RESERVED_IDS = frozenset({"artifacts", "children", "evaluation", "history", "inbox", "incidents"})


class ReservedId:
    """Ids are free to use."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each id that is taken."""
        for id_, node in graph.nodes.items():
            if id_.casefold() in RESERVED_IDS:
                yield Diagnostic(
                    self.severity,
                    f"the id {quote(node.id)} is that of a folder which every run has",
                    node.span,
                    node=node.id,
                    fix=f"write another id, such as {node.id}_stage",
                )


part = ReservedId()

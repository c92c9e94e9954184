"""The type of a node is one that something handles.

What it does: reports a `type` that no handler is registered for. It is silent where the handlers
are not known.

Why: such a stage cannot be executed. A custom handler may still be registered before the run, so
this is only a warning.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [type="wait.humn"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [type="wait.human"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, warning
from attractor.language.graph import Graph
from attractor.language.nearest import suggester
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote


class TypeKnown:
    """Types have handlers."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node whose type is unknown."""
        types = vocabulary.types
        if types is None:
            return
        suggest = suggester(types)
        for node in graph.nodes.values():
            if node.type not in types:
                value = node.attributes.value("type") or node.attributes.value("shape")
                yield warning(
                    f"nothing handles the type {quote(node.type)}",
                    value.span if value else node.span,
                    node=node.id,
                    fix=suggest(node.type) or f"known types: {', '.join(sorted(types))}",
                )


part = TypeKnown()

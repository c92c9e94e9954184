"""A retry target is a node of the pipeline.

What it does: reports a `retry_target` or `fallback_retry_target`, of the graph or of a node, that
names no node.

Why: it is needed when something has already failed. A mistyped one shows only then, and turns a
retry into a failed run.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", retry_target="wrok"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", retry_target="work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote

_KEYS = frozenset({"retry_target", "fallback_retry_target"})


class RetryTargetExists:
    """Retry targets are nodes."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each target that is no node."""
        suggest = suggester(graph.nodes)
        for holder, attribute in each_attribute(graph, _KEYS):
            target = str(attribute.value)
            if target and target not in graph.nodes:
                yield Diagnostic(
                    self.severity,
                    f"{attribute.key} names {quote(target)}, which is no node",
                    attribute.value.span,
                    node=holder.node,
                    fix=suggest(target) or "name a node of this pipeline",
                )


part = RetryTargetExists()

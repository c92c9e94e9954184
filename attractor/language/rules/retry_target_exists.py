"""A retry target is a node of the pipeline.

What it does: reports an unknown node in `retry_target` or `fallback_retry_target`, on the graph or
on a node.

Why: a retry target is used only after a failure. A mistyped retry target turns a retry into a
failed run.

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
        work  [prompt="Work", max_visits=4, retry_target="work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester, warning
from attractor.language.graph.attribute_catalogue import RETRY_TARGETS
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_KEYS = frozenset(RETRY_TARGETS)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    suggest = suggester(graph.nodes)
    for holder, attribute in each_attribute(graph, _KEYS):
        target = str(attribute.value)
        if target and target not in graph.nodes:
            yield warning(
                f"{attribute.key}: unknown node {quote(target)}",
                attribute.value.span,
                node=holder.node,
                fix=suggest(target) or "use a node of this pipeline",
            )


part = BuiltInRule(Severity.WARNING, _apply)

"""Every selector of the stylesheet matches a node.

What it does: notes a selector of `model_stylesheet` that matches no node: a shape that none is
drawn in, a class that none has, an id that there is not.

Why: it says nothing, which is a mistyped name, or what was left of a node that is gone.

Example:

    digraph Example {
        model_stylesheet = ".codde { llm_model: claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work", class="code"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        model_stylesheet = ".code { llm_model: claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work", class="code"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote, span_within


class UnusedSelector:
    """Selectors match nodes."""

    severity = Severity.INFO

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Note each selector that matches none; a broken stylesheet has none at all."""
        value = graph.attributes.value("model_stylesheet")
        if value is None or not str(value).strip():
            return
        # Imported here: few callers need it.
        from attractor.language.declarations.stylesheet_grammar import read_stylesheet

        stylesheet, mistakes = read_stylesheet(str(value))
        there = _selectors(graph)
        suggest = suggester(there)
        for rule in () if mistakes else stylesheet.rules:
            if rule.selector not in there:
                message = f"{quote(rule.selector)} in the stylesheet matches no node"
                span = span_within(value, rule.start, rule.start + len(rule.selector))
                fix = suggest(rule.selector) or "take the rule away"
                yield Diagnostic(self.severity, message, span, fix=fix)


def _selectors(graph: Graph) -> set[str]:
    """Return every selector that matches a node."""
    nodes = graph.nodes.values()
    shapes = {node.shape for node in nodes}
    classes = {f".{name}" for node in nodes for name in node.classes}
    return shapes | classes | {f"#{id_}" for id_ in graph.nodes} | ({"*"} if graph.nodes else set())


part = UnusedSelector()

"""Every selector of the stylesheet matches a node.

What it does: reports a selector of `model_stylesheet` that matches no node: an unused shape, class
or id.

Why: the rule of such a selector has no effect. Usually the name is mistyped, or the node was
removed.

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

from attractor.language.diagnostics import Diagnostic, Severity, info, suggester
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote, span_within


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    value = graph.attributes.value("model_stylesheet")
    if value is None or not str(value).strip():
        return
    # It imports lark, and few pipelines have a stylesheet.
    from attractor.language.declarations.stylesheet import read_stylesheet

    stylesheet, mistakes = read_stylesheet(str(value))
    selectors = {"*"} if graph.nodes else set[str]()
    for node in graph.nodes.values():
        selectors |= {node.shape, f"#{node.id}", *(f".{name}" for name in node.classes)}
    suggest = suggester(selectors)
    for rule in () if mistakes else stylesheet.rules:
        if rule.selector not in selectors:
            message = f"unused selector {quote(rule.selector)}: it matches no node"
            span = span_within(value, rule.start, rule.start + len(rule.selector))
            fix = suggest(rule.selector) or "remove the rule"
            yield info(message, span, fix=fix)


part = BuiltInRule(Severity.INFO, _apply)

"""The model stylesheet has valid syntax.

What it does: reports a syntax error in `model_stylesheet`. A stylesheet consists of rules such as
`.code { llm_model: claude-opus-4-6; }`. A selector is `*`, a shape, `.class` or `#id`; a property
is `llm_model`, `llm_provider`, `backend` or `reasoning_effort` (`low`, `medium` or `high`). It also
reports more than 100 nested subgraphs with labels if the stylesheet selects by class: a node has
the classes of the innermost 100.

Why: an invalid stylesheet is ignored, so every stage would use the default model.

Example:

    digraph Example {
        model_stylesheet = "* { llm_model = claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        model_stylesheet = "* { llm_model: claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error, report_mistakes
from attractor.language.graph.builder import MOST_CLASSES_AROUND, derived_class
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    value = graph.attributes.value("model_stylesheet")
    if value is None or not str(value).strip():
        return
    # It imports lark, and few pipelines have a stylesheet.
    from attractor.language.declarations.stylesheet import read_stylesheet

    stylesheet, mistakes = read_stylesheet(str(value))
    yield from report_mistakes(value, mistakes)
    if not any(rule.kind == "CLASS" for rule in stylesheet.rules):
        return
    depths = {-1: 0}
    for place, subgraph in enumerate(graph.subgraphs):
        depths[place] = depths[subgraph.parent] + bool(derived_class(subgraph.label))
        if depths[place] > MOST_CLASSES_AROUND:
            message = (
                f"more than {MOST_CLASSES_AROUND} nested subgraphs with labels"
                f": nodes have only the classes of the innermost {MOST_CLASSES_AROUND}"
            )
            fix = "remove labels, or give the nodes a class"
            yield error(message, subgraph.span, fix=fix)
            return


part = BuiltInRule(Severity.ERROR, _apply)

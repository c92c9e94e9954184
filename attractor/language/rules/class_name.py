"""The name of a class is valid in a stylesheet.

What it does: reports a class of a node whose name contains anything but lowercase letters, digits
and `-`.

Why: no selector of `model_stylesheet` can name the class, so no rule applies to its nodes. The
label of a subgraph gives its nodes a valid class: `Code Review` gives `code-review`.

Example:

    digraph Example {
        model_stylesheet = "* { llm_model: claude-sonnet-4-5 }"
        start [shape=Mdiamond]
        work  [prompt="Work", class="Code_Review"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        model_stylesheet = ".code-review { llm_model: claude-opus-4-6 }"
        start [shape=Mdiamond]
        work  [prompt="Work", class="code-review"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote, span_within

_CLASS = late_pattern(r"[^,\s]+")
_NAME = late_pattern(r"[a-z0-9-]+")
_NOT_IN_A_NAME = late_pattern(r"[^a-z0-9]+")


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for holder, attribute in each_attribute(graph, {"class"}):
        if holder.place is not AttributeOwner.NODE:
            continue
        for found in _CLASS.finditer(str(attribute.value)):
            if not _NAME.fullmatch(found[0]):
                near = _NOT_IN_A_NAME.sub("-", found[0].lower()).strip("-")
                yield warning(
                    f"invalid class name {quote(found[0])}",
                    span_within(attribute.value, *found.span()),
                    node=holder.node,
                    fix=f"use {near}" if near else "use lowercase letters, digits and -",
                )


part = BuiltInRule(Severity.WARNING, _apply)

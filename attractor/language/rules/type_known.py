"""There is a handler for the type of a node.

What it does: reports a `type`, or a shape, without a registered handler, and types of the
specification that this version does not support yet.

Why: such a stage cannot run. A custom handler can still be registered before the run, so this is
only a warning.

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

from attractor.language.diagnostics import (
    Diagnostic,
    Severity,
    one_slip,
    suggester,
    warning,
    word_edits,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

# The imported graph replaces it; the rule `import_file` reports errors.
_PLACEHOLDERS = frozenset({"import"})
_SPECIFIED = frozenset(TYPE_OF_SHAPE.values())
_NOT_YET = "unsupported type {}: this version does not run it yet"
_MEANWHILE = "validate, render and test work; run does not"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    types = vocabulary.types
    if types is None:
        return
    suggest = suggester(types)
    for type_ in graph.types - types - _PLACEHOLDERS:
        for node in graph.of_type(type_):
            is_set = "type" in node.attributes.by_key
            value = node.attributes.value("type" if is_set else "shape")
            is_planned = type_ in _SPECIFIED
            meant = one_slip(type_, types) if is_set and not is_planned else ""
            message = _NOT_YET if is_planned else "unknown type {}"
            choice = suggest(type_) or f"known types: {', '.join(sorted(types))}"
            yield warning(
                message.format(quote(type_)),
                value.span if value else node.span,
                node=node.id,
                fix=_MEANWHILE if is_planned else choice,
                edits=word_edits(value, meant) if value else (),
            )


part = BuiltInRule(Severity.WARNING, _apply)

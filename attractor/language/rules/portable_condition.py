r"""Other programs understand the condition.

What it does: reports extensions of section 10.2 of the specification: `||`, `!`, parentheses, `<`,
`<=`, `>`, `>=`, `contains`, `matches`, a key by itself, a key without `context.`, and aliases of
outcomes. The fix gives a portable equivalent, if possible.

Why: Attractor understands the extensions, but another program may reject them or interpret them
differently.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="!(outcome=fail || outcome=retry)"]
        work -> work [condition="outcome=fail"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_visits=4]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome!=fail && outcome!=retry"]
        work -> work [condition="outcome=fail"]
    }
"""

from collections.abc import Iterator

from attractor.language.conditions.condition import Condition, Unreadable, is_plain
from attractor.language.diagnostics import Diagnostic, Edit, Severity, info
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import (
    BuiltInRule,
    Vocabulary,
    edge_conditions,
    misspelled_outcomes,
)
from attractor.language.source.syntax_tree import quoted


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for guard in edge_conditions(graph, _may_go_beyond):
        # Few conditions use extensions.
        from attractor.language.conditions.format import find_extension

        beyond = find_extension(guard.condition, guard.text)
        # The rule `dead_condition` reports misspelled outcomes.
        misnamed = (one.start for one in misspelled_outcomes(guard.text))
        if beyond and beyond.start not in misnamed:
            span = guard.span(beyond.start, beyond.end)
            value = guard.edge.attributes.value("condition")
            edits: tuple[Edit, ...] = ()
            if beyond.instead and value is not None and value.span.is_somewhere:
                edits = (Edit(value.span, quoted(beyond.instead)),)
            yield info(beyond.message, span, edge=guard.ends, fix=beyond.hint, edits=edits)


def _may_go_beyond(condition: Condition, text: str) -> bool:
    if isinstance(condition, Unreadable):
        return False
    # The parsed condition does not show parentheses and pairs of `!`.
    return not is_plain(condition) or "(" in text or text.count("!") > text.count("!=")


part = BuiltInRule(Severity.INFO, _apply)

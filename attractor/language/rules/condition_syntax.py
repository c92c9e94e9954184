r"""The condition of an edge has valid syntax.

What it does: reports a condition with a syntax error. A condition consists of clauses such as
`KEY=VALUE` and `KEY!=VALUE`, joined by `&&`. A key is `outcome`, `preferred_label` or
`context.NAME`; a value with blanks or special characters needs quotes. Extensions are `||`, `!`,
parentheses, `<`, `<=`, `>`, `>=`, `contains`, `matches` and a key by itself (see
`portable_condition`).

Why: an edge with an invalid condition can never be taken.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome is success"]
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_visits=4]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome!=fail && context.note!=\"not yet\""]
        work -> work [condition="context.note=\"not yet\""]
    }
"""

from collections.abc import Iterator

from attractor.base.patterns import late_pattern
from attractor.language.conditions.condition import ALWAYS, Unreadable
from attractor.language.conditions.parse import read_condition
from attractor.language.diagnostics import Diagnostic, Mistake, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary, edge_conditions
from attractor.language.source.text import span_within

_OTHER_QUOTES = late_pattern(r"['\u2018\u201c](?P<word>[A-Za-z_][A-Za-z0-9_.:-]*)['\u2019\u201d]")


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for guard in edge_conditions(graph, lambda condition, _: isinstance(condition, Unreadable)):
        wrong = guard.condition
        if isinstance(wrong, Unreadable):
            start, end = wrong.start, wrong.end
            # An edit only if there is a single possible meaning.
            written = guard.text[start:end]
            other = _OTHER_QUOTES.fullmatch(written)
            instead = other["word"] if other else "=" * (written == "==")
            mistake = Mistake(wrong.fault, start, end, wrong.fix, instead=instead)
            yield guard.report(Severity.ERROR, mistake)
    for node in graph.of_type("stack.manager_loop"):
        value = node.attributes.value("manager.stop_condition")
        wrong = read_condition(str(value)) if value else ALWAYS
        if value and isinstance(wrong, Unreadable):
            span = span_within(value, wrong.start, wrong.end)
            yield error(wrong.fault, span, node=node.id, fix=wrong.fix)


part = BuiltInRule(Severity.ERROR, _apply)

r"""The condition of an edge can be read.

What it does: reports a condition that is not made of clauses such as `KEY=VALUE` and `KEY!=VALUE`,
joined by `&&`. A value with blanks or signs stands in quotes; a key is `outcome`,
`preferred_label` or `context.NAME`. Beyond that there are `||`, `!`, parentheses, `<`, `<=`, `>`,
`>=`, `contains`, `matches` and keys by themselves, of which `portable_condition` speaks.

Why: an edge whose condition nobody understands can never be taken, which would show only when a
run comes to it.

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
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work
        work -> exit [condition="outcome=success && context.note!=\"not yet\""]
        work -> work [condition="context.note=\"not yet\""]
    }
"""

import re
from collections.abc import Iterator

from attractor.language.conditions.condition import ALWAYS, Unreadable
from attractor.language.conditions.parse import read_condition
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.edge_conditions import each_guard, edits_within
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import span_within

_OTHER_QUOTES = re.compile(r"['\u2018\u201c](?P<word>[A-Za-z_][A-Za-z0-9_.:-]*)['\u2019\u201d]")


class ConditionSyntax:
    """Conditions can be read."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each condition with a mistake, on edges and on managers."""
        for guard in each_guard(graph, lambda condition, _: isinstance(condition, Unreadable)):
            wrong = guard.condition
            if isinstance(wrong, Unreadable):
                span = guard.span(wrong.start, wrong.end)
                instead = _instead(guard.text[wrong.start : wrong.end])
                edits = edits_within(guard, wrong.start, wrong.end, instead)
                fault, fix = wrong.fault, wrong.fix
                yield Diagnostic(self.severity, fault, span, edge=guard.ends, fix=fix, edits=edits)
        for node in graph.of_type("stack.manager_loop"):
            value = node.attributes.value("manager.stop_condition")
            wrong = read_condition(str(value)) if value else ALWAYS
            if value and isinstance(wrong, Unreadable):
                span = span_within(value, wrong.start, wrong.end)
                yield Diagnostic(self.severity, wrong.fault, span, node=node.id, fix=wrong.fix)


def _instead(written: str) -> str:
    """Return what to write instead, only where nobody can have meant anything else."""
    other = _OTHER_QUOTES.fullmatch(written)
    return other["word"] if other else "=" * (written == "==")


part = ConditionSyntax()

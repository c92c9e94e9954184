"""Nothing is said twice of the same thing.

What it does: reports an attribute that stands twice in one list, and one that two declarations of
the same node, or two places of the graph or of one subgraph, set to different values. `graph [...]`
and `key=value` both say what the graph is, so one of them after the other is no default that is
overridden. `node [...]` and `edge [...]` may be given anew: they hold for what follows.

Why: only what was said last counts, and the other is lost in silence. After a copy of a line that
is easily the wrong one.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Write the code", prompt="Write the tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Write the code and the tests"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class DuplicateAttribute:
    """Attributes are there once."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each one that takes the place of another."""
        for repeat in graph.repeats:
            of_node = f" of {quote(repeat.node)}" if repeat.node else ""
            line = repeat.lost.span.line
            where = f" on line {line}" if line != repeat.kept.span.line else ""
            yield Diagnostic(
                self.severity,
                f"{quote(repeat.kept.key)}{of_node} was set already{where}, which is lost",
                repeat.kept.span,
                node=repeat.node,
                fix="take one of the two away",
            )


part = DuplicateAttribute()

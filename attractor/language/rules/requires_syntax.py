"""What a pipeline requires can be read.

What it does: reports an entry of `requires` on the graph that is no program (`git`), no program
with a version (`node>=20`; also `>`, `<`, `<=` and `=`), and no variable (`env:TOKEN`). Entries
stand between commas.

Why: what a pipeline needs is looked for before its first stage. What nobody understands cannot be
looked for, and a run would be refused for it.

Example:

    digraph Example {
        requires = "git; make=>4; TOKEN"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        requires = "git, make>=4, env:TOKEN"
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import span_within


class RequiresSyntax:
    """What is required can be read."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report the mistakes in the list."""
        value = graph.attributes.value("requires")
        if value is None:
            return
        # Imported here: few callers need it.
        from attractor.language.declarations.requirements import read_needs

        for mistake in read_needs(str(value)).mistakes:
            span = span_within(value, mistake.start, mistake.end)
            message = f"in requires {mistake.message}"
            yield Diagnostic(self.severity, message, span, fix=mistake.hint)


part = RequiresSyntax()

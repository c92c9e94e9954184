"""The requirements of a pipeline have valid syntax.

What it does: reports an entry of `requires` on the graph that is neither a program (`git`), a
program with a version (`node>=20`; also `>`, `<`, `<=` and `=`) nor a variable (`env:TOKEN`).
Commas separate the entries.

Why: requirements are checked before the first stage. An invalid entry cannot be checked, so the run
is rejected.

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

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import span_within


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    value = graph.attributes.value("requires")
    if value is None:
        return
    # Few pipelines declare requirements.
    from attractor.language.declarations.requirements import read_requirements

    for mistake in read_requirements(str(value)).mistakes:
        span = span_within(value, mistake.start, mistake.end)
        message = f"requires: {mistake.message}"
        yield error(message, span, fix=mistake.hint)


part = BuiltInRule(Severity.ERROR, _apply)

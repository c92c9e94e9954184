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

from attractor.language.diagnostics import Diagnostic, Severity, report_mistakes
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    value = graph.attributes.value("requires")
    if value is None:
        return
    # Few pipelines declare requirements.
    from attractor.language.declarations.requirements import read_requirements

    mistakes = read_requirements(str(value)).mistakes
    yield from report_mistakes(value, mistakes, prefix="requires: ")


part = BuiltInRule(Severity.ERROR, _apply)

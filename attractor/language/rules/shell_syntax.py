"""A command can be read by the shell.

What it does: reports a `tool_command` or a tool hook with a quote or a bracket that is never
closed, one that closes nothing, with nothing behind `&&`, `||` or `|`, or with an `if`, a loop or a
`case` that lacks a part. It knows no more of the shell than that: a here-document (`<<`) and what
follows it is not looked at, nor `if` and loops beside `[[`, `case` or `function`, nor whether
anything stands between `then` and `fi`.

Why: the shell refuses such a command when the stage is reached, which counts as a failed check.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="pytest -k 'login"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="pytest -k 'login'"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.attribute_catalogue import COMMANDS
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.shell_syntax import find_fault
from attractor.language.source.text import span_within


class ShellSyntax:
    """Commands can be read."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report the first mistake of each command."""
        for holder, attribute in each_attribute(graph, COMMANDS):
            fault = find_fault(str(attribute.value))
            if fault:
                yield Diagnostic(
                    self.severity,
                    f"the shell cannot read this: {fault.message}",
                    span_within(attribute.value, fault.start, fault.end),
                    node=holder.node,
                    fix=fault.fix,
                )


part = ShellSyntax()

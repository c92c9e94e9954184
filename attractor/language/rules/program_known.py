"""A program that a command calls is there.

What it does: reports a program in a `tool_command` or a tool hook, or in `requires`, that is not on
the PATH here. In commands it looks only at words in plain letters, not at what the shell does
itself, at paths or at variables, nor at a program that the command names before, as in
`command -v jq && jq`. It is silent where nobody says which programs there are, and where the
command changes them: with `PATH=`, `source`, `eval` or `alias`. Commands with `case`, `[[` or a
here-document (`<<`) are not looked at.

Why: a stage that calls it ends with "command not found". It may still be there where the run
happens, or be built by an earlier stage, so this is only a note.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="cd web && nmp test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="cd web && npm test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.attribute_catalogue import COMMANDS
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.shell_syntax import calls
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import quote, span_within


class ProgramKnown:
    """Programs are there."""

    severity = Severity.INFO

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each call of a program that is not; each program is asked for once."""
        if vocabulary.has_program is None:
            return
        is_there = cache(vocabulary.has_program)
        for named in _named(graph):
            if not is_there(named.program):
                yield Diagnostic(
                    self.severity,
                    f"the program {quote(named.program)} is not on the PATH here",
                    span_within(named.value, named.start, named.end),
                    node=named.node,
                    fix="install it, or mend its name",
                )


class _Named(NamedTuple):
    """A program, and where it is named."""

    program: str
    value: Value
    start: int
    end: int
    node: str = ""


def _named(graph: Graph) -> Iterator[_Named]:
    required = graph.attributes.value("requires")
    if required is not None:
        # Imported here: few callers need it.
        from attractor.language.declarations.requirements import read_needs

        for need in read_needs(str(required)).needs:
            if need.is_program:
                yield _Named(need.name, required, need.start, need.end)
    for holder, attribute in each_attribute(graph, COMMANDS):
        for call in calls(str(attribute.value)):
            end = call.start + len(call.name)
            yield _Named(call.name, attribute.value, call.start, end, holder.node)


part = ProgramKnown()

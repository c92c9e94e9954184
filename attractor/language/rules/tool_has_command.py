"""A tool stage has a command.

What it does: reports a node of type `tool` with an empty `tool_command`.

Why: there is nothing to run, so the stage would always fail.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, prompt="make test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_KEYS = ("tool_command", "script")


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in graph.of_type("tool"):
        if not any(node.attributes.text(key).strip() for key in _KEYS):
            yield error(
                f"the tool stage {quote(node.id)} has no tool_command",
                node.span,
                node=node.id,
                fix='add tool_command="..."',
            )


part = BuiltInRule(Severity.ERROR, _apply)

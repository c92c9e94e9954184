"""A command belongs to a tool stage.

What it does: reports a `tool_command` on a node with a built-in type other than `tool`.

Why: the handler of such a node ignores the command, so a check that the command makes never runs.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [prompt="Run the tests", tool_command="make test"]
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

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_TOOL = "tool"
_OTHERS = frozenset(
    {*TYPE_OF_SHAPE.values(), "wait", "prompt", "pipeline", "for_each", "scenarios"}
) - {_TOOL}
_KEYS = frozenset({"tool_command"})


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    commands = [one for one in each_attribute(graph, _KEYS) if one[0].place is AttributeOwner.NODE]
    # The commands that a stage runs, or may run.
    used = {
        id(node.attributes.by_key["tool_command"])
        for node in graph.nodes_with("tool_command")
        if node.type not in _OTHERS
    }
    for holder, attribute in commands:
        if str(attribute.value).strip() and id(attribute) not in used:
            type_ = graph.nodes[holder.node].type
            yield warning(
                f"the tool_command of {quote(holder.node)} never runs: its type is {type_}",
                attribute.span,
                node=holder.node,
                fix="add shape=parallelogram, or remove the command",
            )


part = BuiltInRule(Severity.WARNING, _apply)

"""A receipt belongs to an agent's stage.

What it does: reports a `receipt` on a node of another type than `codergen`, and an empty one.

Why: only a stage that an agent reports as done needs a receipt. On another node the command never
runs, and a stage with an empty one looks checked without being checked.

Example:

    digraph Example {
        start [shape=Mdiamond]
        tests [shape=parallelogram, tool_command="make", receipt="make test"]
        exit  [shape=Msquare]
        start -> tests -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Fix the tests", receipt="make test"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import DEFAULT_TYPE, Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_KEY = "receipt"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node in graph.nodes_with(_KEY):
        span = node.attributes.by_key[_KEY].span
        if node.type != DEFAULT_TYPE:
            message = f"the receipt of {quote(node.id)} never runs: its type is {node.type}"
            yield error(message, span, node=node.id, fix="set it on the stage of an agent")
        elif not node.attributes.text(_KEY).strip():
            message = f"the receipt of {quote(node.id)} is empty"
            yield error(message, span, node=node.id, fix='write receipt="...", or remove it')


part = BuiltInRule(Severity.ERROR, _apply)

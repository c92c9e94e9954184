"""A stage with a model has a prompt.

What it does: reports a node of type `codergen` or `prompt` with an empty `prompt`.

Why: the label replaces a missing prompt. A label is a caption for people; a model needs more than a
few words.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [label="Fix it"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [label="Fix it", prompt="Make the failing test in tests/test_login.py pass"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import DEFAULT_TYPE, Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_QUESTION = "prompt"


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    ends = {node.id for node in (*graph.starts, *graph.exits)}
    for node in (*graph.of_type(DEFAULT_TYPE), *graph.of_type(_QUESTION)):
        if node.is_declared and not node.prompt.strip() and node.id not in ends:
            fix = 'add prompt="..."'
            message = f"the stage {quote(node.id)} has no prompt"
            yield warning(message, node.span, node=node.id, fix=fix)


part = BuiltInRule(Severity.WARNING, _apply)

"""A stage that a model does has a prompt.

What it does: reports a node of type `codergen` or `prompt` whose `prompt` is empty, whether it has
a label or not.

Why: the label takes the prompt's place then. A label is written for people who see the whole
picture; a model sees only these few words.

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

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import DEFAULT_TYPE, Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote

_QUESTION = "prompt"


class PromptOnLlmNodes:
    """Models get prompts."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each such node without one; an undeclared one has its own rule."""
        ends = {node.id for node in (*graph.starts, *graph.exits)}
        for node in (*graph.of_type(DEFAULT_TYPE), *graph.of_type(_QUESTION)):
            if node.is_declared and not node.prompt.strip() and node.id not in ends:
                fix = 'add prompt="..." with what is to be done'
                message = f"the stage {quote(node.id)} has no prompt"
                yield Diagnostic(self.severity, message, node.span, node=node.id, fix=fix)


part = PromptOnLlmNodes()

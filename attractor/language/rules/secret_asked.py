"""A stage that uses secrets can get them.

What it does: reports `secrets` on a node that is not a tool stage, and a name in `secrets` that the
graph does not declare as an input of type `secret`.

Why: only commands of tool stages get secrets, as environment variables. An agent could read a
secret, write it down and send it away.

Example:

    digraph Example {
        inputs = "token:secret"
        start [shape=Mdiamond]
        push  [prompt="Push the branch", secrets="tokn"]
        exit  [shape=Msquare]
        start -> push -> exit
    }

Instead:

    digraph Example {
        inputs = "token:secret"
        start [shape=Mdiamond]
        push  [shape=parallelogram, tool_command="git push", secrets="token"]
        exit  [shape=Msquare]
        start -> push -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if not graph.nodes_with("secrets"):
        return
    # Few pipelines declare inputs.
    from attractor.language.declarations.inputs import find_secret_mistakes

    yield from find_secret_mistakes(graph)


part = BuiltInRule(Severity.ERROR, _apply)

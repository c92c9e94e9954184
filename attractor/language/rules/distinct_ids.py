"""Ids differ in more than case.

What it does: reports a node whose id differs from an earlier id only in upper and lower case.

Why: a stage writes to a folder with the id of its node, and some file systems treat `Plan` and
`plan` as the same folder.

Example:

    digraph Example {
        start [shape=Mdiamond]
        plan  [prompt="Plan"]
        Plan  [prompt="Plan again"]
        exit  [shape=Msquare]
        start -> plan -> Plan -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        plan   [prompt="Plan"]
        replan [prompt="Plan again"]
        exit   [shape=Msquare]
        start -> plan -> replan -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    if len({id_.casefold() for id_ in graph.nodes}) == len(graph.nodes):
        return
    first: dict[str, str] = {}
    for node in graph.nodes.values():
        other = first.setdefault(node.id.casefold(), node.id)
        if other != node.id:
            message = f"the ids {quote(other)} and {quote(node.id)} differ only in case"
            yield error(message, node.span, node=node.id, fix="rename one of them")


part = BuiltInRule(Severity.ERROR, _apply)

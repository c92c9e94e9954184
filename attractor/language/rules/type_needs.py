"""A stage has the attributes that its type needs.

What it does: reports a node of type `for_each` without `items`, a node of type `pipeline` without
`file`, and a node of type `wait` without `duration` and `until`, or with both.

Why: such a stage always fails.

Example:

    digraph Example {
        start [shape=Mdiamond]
        pause [type="wait"]
        exit  [shape=Msquare]
        start -> pause -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        pause [type="wait", duration="15m"]
        exit  [shape=Msquare]
        start -> pause -> exit
    }
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic, Severity, error
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


class _Need(NamedTuple):
    """A group of attributes of which a type needs exactly one, and an example."""

    keys: Sequence[str]
    fix: str


_NEEDS: Mapping[str, _Need] = {
    "for_each": _Need(("items",), 'add items="..." (the context key of a list)'),
    "pipeline": _Need(("file",), 'add file="other.dot"'),
    "wait": _Need(("duration", "until"), 'add duration="15m" or until="09:30"'),
}


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for type_ in _NEEDS.keys() & graph.types:
        need = _NEEDS[type_]
        for node in graph.of_type(type_):
            present = [key for key in need.keys if node.attributes.text(key).strip()]
            if len(present) == 1:
                continue
            keys = " and ".join(present) or " or ".join(need.keys)
            has = f"has both {keys}" if present else f"has no {keys}"
            yield error(
                f"{quote(node.id)} (type {node.type}) {has}",
                node.span,
                node=node.id,
                fix="remove one of them" if present else need.fix,
            )


part = BuiltInRule(Severity.ERROR, _apply)

"""A context key is read only after a stage may have written it.

What it does: reports a key in a condition (`context.size`), or in a prompt file (`{{ context.size
}}`), that no earlier node can have written. Most stages can write any key. Therefore the rule
reports a key only if no such stage comes before, or if only one type of node writes the key:
`human.` of human gates, `parallel.` of parallel nodes and fan-ins, `tool.` of tools, `stack.` of
manager loops.

Why: the value of a missing key is an empty text, so the condition is always true or always false.

Example:

    digraph Example {
        start [shape=Mdiamond]
        plan  [prompt="Plan"]
        ask   [shape=hexagon, label="Go on?"]
        exit  [shape=Msquare]
        start -> plan
        plan -> ask
        plan -> exit [condition="context.human.gate.selected=Y"]
        ask -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        plan  [prompt="Plan"]
        ask   [shape=hexagon, label="Go on?"]
        exit  [shape=Msquare]
        start -> plan
        plan -> ask
        plan -> exit [condition="context.is_clear=true"]
        ask -> exit
    }
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.language.conditions.condition import keys_of
from attractor.language.conditions.parse import key_places
from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.branches import FOR_EACH, FORKS
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import reached_from, targets_and_jumps
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.syntax_tree import Span, ValueKind
from attractor.language.source.text import quote, span_within

_PREFIX = "context."
_IN_A_TEMPLATE = r"\{\{-?\s*context\.(?P<key>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
# The engine writes these, or an earlier run that this run continues.
_GIVEN = ("graph.", "internal.", "keep.", "work.")
_ALWAYS_THERE = frozenset({"outcome", "preferred_label", "current_node", "last_stage"})
_WRITERS: Mapping[str, frozenset[str]] = {
    "human.": frozenset({"wait.human"}),
    "parallel.": FORKS | {"parallel.fan_in"},
    "tool.": frozenset({"tool"}),
    "stack.": frozenset({"stack.manager_loop"}),
}
_WRITES_NO_OTHERS = frozenset(
    {"start", "exit", "conditional", "wait.human", "wait", "tool", "parallel.fan_in", *FORKS}
)


class _Read(NamedTuple):
    """A key that is read in the prompt of a node or on an outgoing edge."""

    key: str
    node: str
    edge: tuple[str, str] | None
    span: Span


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    written: dict[str, tuple[set[str], set[str]]] = {}
    for read in (*_in_conditions(graph), *_in_prompts(graph), *_in_items(graph)):
        kind = _kind(read.key)
        if kind is None:
            continue
        if kind not in written:
            written[kind] = _written(graph, kind)
        before, behind = written[kind]
        if read.node not in (behind if read.edge else before):
            yield warning(
                f"no earlier node writes the context key {quote(read.key)}",
                read.span,
                node="" if read.edge else read.node,
                edge=read.edge,
                fix=_FIXES.get(kind, "write the key in an earlier stage, or correct its name"),
            )


_FIXES = {
    "human.": "add a human gate before this node",
    "parallel.": "add a parallel node before this node",
    "tool.": "add a tool before this node",
    "stack.": "add a manager loop before this node",
}


def _kind(key: str) -> str | None:
    """Return the prefix of a key, an empty text for any node, None for the engine."""
    if key in _ALWAYS_THERE or key.startswith(_GIVEN):
        return None
    return next((prefix for prefix in _WRITERS if key.startswith(prefix)), "")


def _written(graph: Graph, kind: str) -> tuple[set[str], set[str]]:
    """Return the nodes that write such keys, and all nodes after them."""
    nodes = graph.nodes.values()
    if kind:
        setters = [node.id for node in nodes if node.type in _WRITERS[kind]]
    else:
        ends = {node.id for node in (*graph.starts, *graph.exits)}
        may_set_any = (node.id for node in nodes if node.type not in _WRITES_NO_OTHERS)
        setters = [id_ for id_ in may_set_any if id_ not in ends]
    follow = targets_and_jumps(graph)
    behind = reached_from((target for setter in setters for target in follow(setter)), follow)
    return behind, behind.union(setters)


def _in_conditions(graph: Graph) -> Iterator[_Read]:
    asked: dict[int, Sequence[str]] = {}
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        # Conditions with the same text are the same object: most pipelines have few.
        keys = asked.get(id(condition))
        if keys is None:
            read = sorted(keys_of(condition))
            keys = [key for key in read if key.removeprefix(_PREFIX) not in _ALWAYS_THERE]
            asked[id(condition)] = keys
        if not keys:
            continue
        value = edge.attributes.value("condition")
        places = key_places(str(value or ""))
        for key in keys:
            bare = key.removeprefix(_PREFIX)
            start = places.get(key, 0)
            span = span_within(value, start, start + len(key)) if value else edge.span
            yield _Read(bare, edge.source, (edge.source, edge.target), span)


def _in_prompts(graph: Graph) -> Iterator[_Read]:
    for node in graph.nodes_with("prompt"):
        attribute = node.attributes.by_key["prompt"]
        if attribute.value.kind is not ValueKind.TEMPLATE:
            continue
        for found in re.finditer(_IN_A_TEMPLATE, str(attribute.value)):
            span = span_within(attribute.value, *found.span("key"))
            yield _Read(found["key"], node.id, None, span)


def _in_items(graph: Graph) -> Iterator[_Read]:
    for node in graph.of_type(FOR_EACH):
        value = node.attributes.value("items")
        key = str(value or "").strip().removeprefix(_PREFIX)
        if value and key:
            yield _Read(key, node.id, None, value.span)


part = BuiltInRule(Severity.WARNING, _apply)

"""Expands `$goal` and `${inputs.name}` in prompts (9.2, L8)."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import error, report_mistakes, suggester, warning
from attractor.language.graph.graph import Graph, Node
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Span, Value, ValueKind
from attractor.language.source.text import quote, span_within

if TYPE_CHECKING:
    from attractor.language.declarations.inputs import Input

_VARIABLE = late_pattern(r"\$(?:goal\b|\{inputs\.(?P<input>[^{}\n]*)\})")
_RULE = "known_input"
_GOAL_MISSING = "goal_missing"


class VariableExpansion:
    """Replaces variables in prompts; the inserted values are not expanded again."""

    order = 50

    def __init__(self, context: TransformContext) -> None:
        self._context = context

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with expanded prompts; without inputs, variables of inputs stay."""
        expansion = _Expansion(graph, self._context)
        expanded: dict[str, Node] = {}
        for node in graph.nodes_with("prompt"):
            value = node.attributes.by_key["prompt"].value
            if value.kind is ValueKind.TEMPLATE:
                expansion.check_template(node, value)
            elif "$" in str(value) and _VARIABLE.search(str(value)):
                text = expansion.expanded(node, value)
                new = Value(value.kind, text, value.text, value.span)
                attributes = node.attributes.replaced("prompt", new)
                expanded[node.id] = replace(node, attributes=attributes)
        return replace(graph, nodes={**graph.nodes, **expanded}) if expanded else graph


class _Expansion:
    """The values for the prompts of one graph, and the mistakes in the prompts."""

    def __init__(self, graph: Graph, context: TransformContext) -> None:
        self._goal = graph.goal
        self._context = context
        self._inputs, self._mistaken = _declared(graph, context)
        self._without_goal: set[int] = set()

    def expanded(self, node: Node, prompt: Value) -> str:
        """Return the text of a prompt with its variables replaced."""
        text = str(prompt)
        asked: dict[str, tuple[int, int]] = {}
        counts = Counter[str]()
        for found in _VARIABLE.finditer(text):
            name = found["input"]
            if name is not None:
                asked.setdefault(name, found.span())
                counts[name] += 1
            elif not self._goal.strip() and id(prompt) not in self._without_goal:
                # Nodes of a default block share one prompt.
                self._without_goal.add(id(prompt))
                message = "the prompt uses $goal, but the graph has no goal"
                fix = 'add goal="..." to the graph, or pass a goal to the run'
                span = span_within(prompt, *found.span())
                missing = warning(message, span, node=node.id, fix=fix)
                self._context.report(missing, rule=_GOAL_MISSING)
        for name, place in asked.items():
            # A prompt from a file has no place in the pipeline.
            self._check(node, name, span_within(prompt, *place), counts[name])
        return _VARIABLE.sub(self._meaning, text)

    def check_template(self, node: Node, prompt: Value) -> None:
        """Report unknown inputs and secrets in a template."""
        # jinja2 is slow to import, and few pipelines have templates.
        from attractor.language.declarations.templates import read_template

        for name in read_template(str(prompt)).inputs:
            self._check(node, name, prompt.span)

    def _meaning(self, found: re.Match[str]) -> str:
        name = found["input"]
        return self._goal if name is None else self._values.get(name, found[0])

    def _check(self, node: Node, name: str, span: Span, count: int = 1) -> None:
        input_ = self._inputs.get(name)
        if not name.strip():
            fix = "write ${inputs.NAME}"
            message = "missing name of an input in the prompt"
        elif input_ is None and name in self._mistaken:
            return
        elif input_ is None:
            fix = self._suggest(name) or "declare it on the graph, in inputs"
            message = f"undeclared input {quote(name)} in the prompt"
        elif input_.is_secret:
            message = f"the secret {name} must not occur in a prompt"
            fix = "remove it: prompts go to models and into logs"
        else:
            return
        times = f" ({count} times)" if count > 1 else ""
        found = error(f"{message}{times}", span, node=node.id, fix=fix)
        self._context.report(found, rule=_RULE)

    @cached_property
    def _values(self) -> Mapping[str, str]:
        """The values of the inputs that prompts may contain."""
        inputs = self._context.inputs
        if inputs is None:
            return {}
        values = {one.name: inputs.get(one.name, one.default) for one in self._open_inputs}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def _open_inputs(self) -> "list[Input]":
        return [input_ for input_ in self._inputs.values() if not input_.is_secret]

    @cached_property
    def _suggest(self) -> Callable[[str], str]:
        return suggester(one.name for one in self._open_inputs)


def _declared(
    graph: Graph, context: TransformContext
) -> "tuple[Mapping[str, Input], frozenset[str]]":
    """Return the valid inputs by name, and the names of the invalid inputs, which are reported."""
    value = graph.attributes.value("inputs")
    if value is None:
        return {}, frozenset()
    # Few pipelines declare inputs.
    from attractor.language.declarations.inputs import read_inputs

    inputs, mistakes = read_inputs(str(value))
    for found in report_mistakes(value, mistakes, prefix="inputs: "):
        context.report(found, rule=_RULE)
    return {one.name: one for one in inputs}, frozenset(mistake.name for mistake in mistakes)


part = VariableExpansion

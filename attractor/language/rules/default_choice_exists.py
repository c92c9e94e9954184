"""The default choice of a human gate is one of its choices.

What it does: reports a `human.default_choice` that is neither a target of the gate nor the label or
key of a choice.

Why: the default is used when the gate times out. Only then does an unknown default fail the stage.

Example:

    digraph Example {
        start [shape=Mdiamond]
        ask   [shape=hexagon, label="Ship it?", "human.default_choice"=shp]
        ship  [prompt="Ship it"]
        exit  [shape=Msquare]
        start -> ask
        ask -> ship [label="Yes"]
        ask -> exit [label="No"]
        ship -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        ask   [shape=hexagon, label="Ship it?", "human.default_choice"=ship]
        ship  [prompt="Ship it"]
        exit  [shape=Msquare]
        start -> ask
        ask -> ship [label="Yes"]
        ask -> exit [label="No"]
        ship -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester, warning
from attractor.language.graph.graph import Graph
from attractor.language.graph.paths import human_gates
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote

_KEY = "human.default_choice"
# A key is a letter or a number.
_LONGEST_KEY = 2


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    for node, choices in human_gates(graph):
        attribute = node.attributes.by_key.get(_KEY)
        choice = str(attribute.value).strip() if attribute else ""
        if attribute is None or len(choice) <= _LONGEST_KEY:
            continue
        targets = dict.fromkeys(target for _, target in choices)
        # A label may begin with its key: `[Y] Yes` is also `Yes`.
        labels = [label.casefold() for label, _ in choices]
        if choice not in targets and not any(choice.casefold() in one for one in labels):
            yield warning(
                f"{_KEY}: unknown choice {quote(choice)}",
                attribute.value.span,
                node=node.id,
                fix=suggester(targets)(choice) or f"use {' or '.join(targets) or 'none'}",
            )


part = BuiltInRule(Severity.WARNING, _apply)

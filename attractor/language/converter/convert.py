"""Converts a pipeline of another tool."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from attractor.language.converter.attribute_lists import (
    AttributeList,
    ConversionContext,
    attribute_lists,
)
from attractor.language.converter.conversions import (
    convert_command,
    convert_condition_attribute,
    convert_goal_gate,
    convert_keys,
    convert_prompt,
    convert_shape,
    convert_stylesheet,
    convert_timeout,
    convert_type,
    convert_weight,
)
from attractor.language.diagnostics import Diagnostic, in_order, warning
from attractor.language.errors import ParseError
from attractor.language.formatter import format
from attractor.language.graph.attribute_catalogue import (
    AttributeOwner,
)
from attractor.language.graph.resolve import resolve
from attractor.language.preparation.fixes import fix
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.reading import parse_source
from attractor.language.source.syntax_tree import (
    Attribute,
)
from attractor.language.source.text import Source

RULE = "convert"
"""The rule id of diagnostics."""

_LABEL = re.compile(r'preferred_label\s*!?=\s*"?([A-Za-z_][\w-]*)')


class Conversion(NamedTuple):
    """A converted pipeline, the changes, and the remaining problems."""

    text: str
    changed: tuple[Diagnostic, ...]
    left: tuple[Diagnostic, ...]


Check = Callable[[str], Prepared]
"""Validates a text at its final path."""


def convert(source: Source, *, check: Check | None = None) -> Conversion:
    """Convert and format a text; an invalid text raises ParseError.

    `check` validates the result with the files that it names.
    """
    fixed = fix(
        source.text,
        check=lambda text: _find_foreign_words(Source(text, source.file)),
        file=source.file,
    )
    now = Source(fixed.text, source.file)
    left = [one for one in _find_foreign_words(now) if not one.edits]
    checked = check(now.text) if check else prepare(now.text, file=now.file)
    invalid = [one for one in checked.diagnostics if one.is_error]
    text = format(fixed.text) if fixed.mended else source.text
    return Conversion(text, in_order(fixed.mended), in_order(_once([*left, *invalid])))


_Convert = Callable[[ConversionContext, AttributeList, Attribute], Iterator[Diagnostic]]
_CONVERSIONS: Mapping[tuple[AttributeOwner, str], _Convert] = {
    (AttributeOwner.NODE, "type"): convert_type,
    (AttributeOwner.NODE, "shape"): convert_shape,
    (AttributeOwner.NODE, "timeout"): convert_timeout,
    (AttributeOwner.NODE, "goal_gate"): convert_goal_gate,
    (AttributeOwner.NODE, "prompt"): convert_prompt,
    (AttributeOwner.NODE, "tool_command"): convert_command,
    (AttributeOwner.NODE, "manager.stop_condition"): convert_condition_attribute,
    (AttributeOwner.EDGE, "condition"): convert_condition_attribute,
    (AttributeOwner.EDGE, "weight"): convert_weight,
    (AttributeOwner.GRAPH, "model_stylesheet"): convert_stylesheet,
}


def _find_foreign_words(source: Source) -> Iterator[Diagnostic]:
    """Yield the words of other tools, with edits where they can be converted."""
    parsed = parse_source(source)
    if parsed.digraph is None:
        raise ParseError(parsed.diagnostics)
    context = ConversionContext(source, resolve(parsed.digraph))
    for attributes in attribute_lists(parsed.digraph):
        for found in (*convert_keys(attributes), *_values(context, attributes)):
            yield replace(found, rule=RULE, node=attributes.node)
    yield from _outcomes_in_prompts(context)


def _values(context: ConversionContext, attributes: AttributeList) -> Iterator[Diagnostic]:
    for attribute in attributes.attributes:
        convert_value = _CONVERSIONS.get((attributes.place, attribute.key))
        if convert_value:
            yield from convert_value(context, attributes, attribute)


def _outcomes_in_prompts(context: ConversionContext) -> Iterator[Diagnostic]:
    """Yield prompts that request an outcome that is now a preferred label."""
    conditions = (edge.attributes.text("condition") for edge in context.graph.edges)
    labels = {label for one in conditions for label in _LABEL.findall(one)}
    for node in context.graph.nodes.values():
        requested = sorted(label for label in labels if f"outcome={label}" in node.prompt)
        if requested:
            message = (
                f"the prompt of {node.id} asks for outcome={requested[0]}, which is no outcome"
            )
            prompt = node.attributes.value("prompt")
            fix_ = f"let it ask for the preferred label {requested[0]}"
            span = prompt.span if prompt else node.span
            yield replace(warning(message, span, fix=fix_), rule=RULE, node=node.id)


def _once(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    """Remove validation errors at positions that a conversion already reports."""
    reported = {one.span for one in found if one.rule == RULE}
    return (one for one in found if one.rule == RULE or one.span not in reported)

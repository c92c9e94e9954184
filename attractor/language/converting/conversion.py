"""Converts a pipeline that was written for another tool."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from attractor.language.attributes import Place
from attractor.language.converting.around import Around
from attractor.language.converting.keys import look_at_keys
from attractor.language.converting.lists import AttributeList, attribute_lists
from attractor.language.converting.texts import (
    look_at_command,
    look_at_condition,
    look_at_prompt,
    look_at_stylesheet,
)
from attractor.language.converting.values import (
    look_at_goal_gate,
    look_at_shape,
    look_at_timeout,
    look_at_type,
    look_at_weight,
)
from attractor.language.diagnostics import Diagnostic, in_order, warning
from attractor.language.errors import ParseError
from attractor.language.fixing import fix
from attractor.language.formatting.layout import format
from attractor.language.parser import parse_source
from attractor.language.preparation import Prepared, prepare
from attractor.language.resolving import resolve
from attractor.language.sources import Source
from attractor.language.values import Attribute

RULE = "convert"
"""By what name the report speaks."""


_LABEL = re.compile(r'preferred_label\s*!?=\s*"?([A-Za-z_][\w-]*)')


class Conversion(NamedTuple):
    """A pipeline in our words, what was changed for that, and what a person has to change."""

    text: str
    changed: tuple[Diagnostic, ...]
    left: tuple[Diagnostic, ...]


Check = Callable[[str], Prepared]
"""Checks a text as it will be checked where it will lie."""


def convert(source: Source, *, check: Check | None = None) -> Conversion:
    """Put our words in place of other tools', and lay the text out; one with mistakes raises.

    What would not be valid then is left to do. Without a check of its own nothing is known of the
    files that the pipeline names.
    """
    fixed = fix(source.text, check=lambda text: _look(Source(text, source.file)), file=source.file)
    now = Source(fixed.text, source.file)
    left = [one for one in _look(now) if not one.edits]
    checked = check(now.text) if check else prepare(now.text, file=now.file)
    invalid = [one for one in checked.diagnostics if one.is_error]
    text = format(fixed.text) if fixed.mended else source.text
    return Conversion(text, in_order(fixed.mended), in_order(_once([*left, *invalid])))


_Look = Callable[[Around, AttributeList, Attribute], Iterator[Diagnostic]]

_LOOKS: Mapping[tuple[Place, str], _Look] = {
    (Place.NODE, "type"): look_at_type,
    (Place.NODE, "shape"): look_at_shape,
    (Place.NODE, "timeout"): look_at_timeout,
    (Place.NODE, "goal_gate"): look_at_goal_gate,
    (Place.NODE, "prompt"): look_at_prompt,
    (Place.NODE, "tool_command"): look_at_command,
    (Place.NODE, "manager.stop_condition"): look_at_condition,
    (Place.EDGE, "condition"): look_at_condition,
    (Place.EDGE, "weight"): look_at_weight,
    (Place.GRAPH, "model_stylesheet"): look_at_stylesheet,
}


def _look(source: Source) -> Iterator[Diagnostic]:
    """Yield what is written in other words than ours."""
    parsed = parse_source(source)
    if parsed.digraph is None:
        raise ParseError(parsed.diagnostics)
    around = Around(source, resolve(parsed.digraph))
    for attributes in attribute_lists(parsed.digraph):
        for found in (*look_at_keys(attributes), *_values(around, attributes)):
            yield replace(found, rule=RULE, node=attributes.node)
    yield from _outcomes_in_prompts(around)


def _values(around: Around, attributes: AttributeList) -> Iterator[Diagnostic]:
    for attribute in attributes.attributes:
        look = _LOOKS.get((attributes.place, attribute.key))
        if look:
            yield from look(around, attributes, attribute)


def _outcomes_in_prompts(around: Around) -> Iterator[Diagnostic]:
    """Yield prompts that ask for an outcome which is a preferred label here."""
    conditions = (edge.attributes.text("condition") for edge in around.graph.edges)
    labels = {label for one in conditions for label in _LABEL.findall(one)}
    for node in around.graph.nodes.values():
        said = sorted(label for label in labels if f"outcome={label}" in node.prompt)
        if said:
            message = f"the prompt of {node.id} asks for outcome={said[0]}, which is no outcome"
            prompt = node.attributes.value("prompt")
            fix_ = f"let it ask for the preferred label {said[0]}"
            span = prompt.span if prompt else node.span
            yield replace(warning(message, span, fix=fix_), rule=RULE, node=node.id)


def _once(found: list[Diagnostic]) -> Iterator[Diagnostic]:
    """Leave out what validation says of a place that was spoken of already."""
    spoken_of = {one.span for one in found if one.rule == RULE}
    return (one for one in found if one.rule == RULE or one.span not in spoken_of)

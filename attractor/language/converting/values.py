"""Finds the types, shapes and numbers that are written in another way here."""

import re
from collections.abc import Iterator

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language.converting.around import Around
from attractor.language.converting.foreign_words import NO_SHAPE, NO_TYPE, SHAPES, TYPES
from attractor.language.converting.lists import AttributeList
from attractor.language.diagnostics import Diagnostic, Edit, info, warning
from attractor.language.values import Attribute, ValueKind, quoted
from attractor.language.wording import quote

_WHOLE = re.compile(r"([0-9]{1,9})\.0+")
_ENDS = {"circle": "Mdiamond", "doublecircle": "Msquare"}
_MANAGES = ("manager.", "stack.", "child_graph", "max_iterations", "success_condition")


def look_at_type(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield what is to be changed in a node's type."""
    word, span = str(attribute.value), attribute.value.span
    if word in TYPES:
        yield info(f"type {word} is {TYPES[word]}", span, edits=(Edit(span, quoted(TYPES[word])),))
    elif word in NO_TYPE:
        yield warning(f"there is no type {word} here", span, fix=NO_TYPE[word])


def look_at_shape(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield what is to be changed in a node's shape."""
    word, span = str(attribute.value), attribute.value.span
    ours, why = _shape(around, attributes, word)
    edits = _pause(attributes, attribute) if word == "insulator" else ()
    if ours:
        yield info(f"shape {word} is {ours}: {why}", span, edits=(Edit(span, ours),))
    elif edits:
        yield info("shape insulator is a tool that sleeps", span, edits=edits)
    elif word in NO_SHAPE:
        yield warning(f"the shape {word} stands for nothing here", span, fix=NO_SHAPE[word])


def look_at_timeout(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield a number of seconds, which needs its unit here."""
    word, span = str(attribute.value), attribute.value.span
    if word.isascii() and word.isdigit():
        edits = (Edit(span, quoted(f"{word}s")),)
        yield info(f"a timeout of {word} is one of {word}s", span, edits=edits)


def look_at_weight(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield a weight that is no whole number."""
    word, span = str(attribute.value), attribute.value.span
    whole = _WHOLE.fullmatch(word)
    if whole:
        yield info(f"weight {word} is {whole[1]}", span, edits=(Edit(span, whole[1]),))
    elif attribute.value.kind is ValueKind.FLOAT or "." in word:
        fix = "multiply the weights of all ways out of the node alike"
        yield warning(f"a weight is a whole number, not {quote(word)}", span, fix=fix)


def look_at_goal_gate(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield a goal gate with a condition."""
    word = str(attribute.value)
    if word not in ("true", "false", ""):
        fix = "write goal_gate=true on the stage that must succeed"
        yield warning(f"a goal gate has no condition: {quote(word)}", attribute.value.span, fix=fix)


def _shape(around: Around, attributes: AttributeList, word: str) -> tuple[str, str]:
    """Return our shape for another tool's, and why; empty texts when it stays."""
    if word in ("house", "hexagon"):
        return _gate_or_manager(around, attributes, word)
    if word in _ENDS:
        ends = around.graph.starts if word == "circle" else around.graph.exits
        if any(node.shape == _ENDS[word] for node in ends):
            return "", ""
    return SHAPES.get(word, ("", ""))


def _gate_or_manager(around: Around, attributes: AttributeList, word: str) -> tuple[str, str]:
    """Tell the two apart by what else is written: one tool has their shapes the other way round."""
    own = [one.key for one in attributes.attributes]
    if word == "hexagon":
        is_manager = any(key.startswith(_MANAGES) for key in own)
        return ("house", "it supervises another pipeline") if is_manager else ("", "")
    keys = [*own, *around.graph.attributes.by_key]
    labelled = any(edge.label for edge in around.graph.outgoing(attributes.node))
    if labelled and "type" not in own and not any(key.startswith(_MANAGES) for key in keys):
        return "hexagon", "a person chooses by the labels of its edges"
    return "", ""


def _pause(attributes: AttributeList, shape: Attribute) -> tuple[Edit, ...]:
    """Return the edits that make a pause the command that pauses."""
    duration = next((one for one in attributes.attributes if one.key == "duration"), None)
    seconds = _seconds(str(duration.value)) if duration else None
    if duration is None or seconds is None:
        return ()
    return (
        Edit(shape.value.span, "parallelogram"),
        Edit(duration.span, "tool_command"),
        Edit(duration.value.span, quoted(f"sleep {seconds:g}")),
    )


def _seconds(text: str) -> float | None:
    try:
        return parse_duration(text).total_seconds()
    except InvalidDuration:
        return None

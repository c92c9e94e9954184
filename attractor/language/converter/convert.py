"""Converts a pipeline that was written for another tool.

What there is to know of an attribute besides its own words.

Goes over the attribute lists of a text, statement by statement.

Finds the attributes that have another name here, or none.

Finds other tools' words within conditions, stylesheets, prompts and commands.

Finds the types, shapes and numbers that are written in another way here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language.converter.word_tables import (
    MEANINGLESS,
    NO_SHAPE,
    NO_TYPE,
    SHAPES,
    TYPES,
    VARIABLES,
    convert_condition,
)
from attractor.language.diagnostics import Diagnostic, Edit, in_order, info, warning
from attractor.language.errors import ParseError
from attractor.language.formatter import format
from attractor.language.graph.attribute_catalogue import (
    NO_ATTRIBUTE,
    RENAMED,
    STYLE_PROPERTIES,
    AttributeOwner,
)
from attractor.language.graph.graph import Graph
from attractor.language.graph.resolve import resolve
from attractor.language.preparation.fixes import fix
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.reading import parse_source
from attractor.language.source.syntax_tree import (
    Assignment,
    Attribute,
    Defaults,
    Digraph,
    EdgeStatement,
    NodeStatement,
    Span,
    Statement,
    SubgraphStatement,
    ValueKind,
    quoted,
)
from attractor.language.source.text import Source, quote, written_word


@dataclass(frozen=True)
class Around:
    """The text and the graph around an attribute."""

    source: Source
    graph: Graph

    def written(self, attribute: Attribute) -> str:
        """Return the value of an attribute as it is written, with its quotes."""
        span = attribute.value.span
        start = self.source.offset(span.line, span.column)
        return self.source.text[start : self.source.offset(span.end_line, span.end_column)]


def between(start: Span, end: Span) -> Span:
    """Return the place from where one begins to where another one begins."""
    return Span(start.file, start.line, start.column, end.line, end.column)


def end_of(span: Span) -> Span:
    """Return the place where another one ends."""
    return Span(span.file, span.end_line, span.end_column, span.end_line, span.end_column)


_PLACE_OF_DEFAULTS = {
    "graph": AttributeOwner.GRAPH,
    "node": AttributeOwner.NODE,
    "edge": AttributeOwner.EDGE,
}


class AttributeList(NamedTuple):
    """Attributes that are written together, what they stand on, and the node they are of."""

    place: AttributeOwner
    attributes: Sequence[Attribute]
    node: str = ""

    def has(self, key: str) -> bool:
        """Tell whether a key stands in the list."""
        return any(one.key == key for one in self.attributes)


def attribute_lists(digraph: Digraph) -> Iterator[AttributeList]:
    """Yield the attribute lists in the order of the text, however deep subgraphs are nested."""
    waiting: list[Statement] = list(reversed(digraph.statements))
    while waiting:
        statement = waiting.pop()
        match statement:
            case SubgraphStatement():
                waiting += reversed(statement.statements)
            case Assignment():
                yield AttributeList(AttributeOwner.GRAPH, (statement.attribute,))
            case Defaults():
                yield AttributeList(_PLACE_OF_DEFAULTS[statement.of], statement.attributes)
            case NodeStatement():
                yield AttributeList(AttributeOwner.NODE, statement.attributes, statement.id.text)
            case EdgeStatement():
                yield AttributeList(AttributeOwner.EDGE, statement.attributes)
            case _:
                pass


def look_at_keys(attributes: AttributeList) -> Iterator[Diagnostic]:
    """Yield what is to be changed in the keys of a list, and what cannot be."""
    for at, attribute in enumerate(attributes.attributes):
        key, span = attribute.key, attribute.span
        ours = RENAMED.get((attributes.place, key), "")
        if ours and attributes.has(ours):
            yield _stands_there_too(attribute, ours)
        elif ours:
            yield info(f"{key} is {ours}", span, edits=(Edit(span, written_word(ours)),))
        elif key in _SPECIAL and attributes.place is AttributeOwner.NODE:
            yield _special(attributes, attribute)
        elif key in MEANINGLESS:
            yield _taken_away(attributes, at)
        elif key in NO_ATTRIBUTE:
            yield warning(f"nothing here corresponds to {key}", span, fix=NO_ATTRIBUTE[key])


_SPECIAL = frozenset({"import", "prompt_file"})


def _special(attributes: AttributeList, attribute: Attribute) -> Diagnostic:
    """Change an attribute whose value is written in another way too."""
    span, value = attribute.span, attribute.value
    if attribute.key == "import":
        edits = (Edit(span, 'type="import", file'),)
        return info('import is type="import" with file', span, edits=edits)
    if attributes.has("prompt"):
        return _stands_there_too(attribute, "prompt")
    named = quoted(f"@{value}")
    edits = (Edit(span, "prompt"), Edit(value.span, named))
    return info(f"prompt_file is prompt={named}", span, edits=edits)


def _stands_there_too(attribute: Attribute, ours: str) -> Diagnostic:
    message = f"{attribute.key} is {ours}, which stands there too"
    return warning(message, attribute.span, fix="keep one of them")


def _taken_away(attributes: AttributeList, at: int) -> Diagnostic:
    """Take an attribute away with what stands before the next one; lines stay lines."""
    every, attribute = attributes.attributes, attributes.attributes[at]
    message = f"{attribute.key} means nothing here"
    if len(every) == 1:
        return warning(message, attribute.span, fix="take it away")
    if at + 1 < len(every):
        span = between(attribute.span, every[at + 1].span)
    else:
        span = between(end_of(every[at - 1].value.span), end_of(attribute.value.span))
    return info(message, attribute.span, edits=(Edit(span, "\n" * (span.end_line - span.line)),))


_STYLE = re.compile(r"(?<=[{;\s])(model|provider)(?=\s*:)")
_VARIABLE = re.compile(r"\$\{?(KILROY_[A-Z0-9_]+)")
_GOAL = re.compile(r"\$\{goal\}|\{\{\s*(?:graph\.)?goal\s*\}\}")
_INPUT = re.compile(r"\{\{\s*(inputs\.\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\$\{[a-z][\w.]*\}|\{\{[^{}\n]*\}\}")


def look_at_condition(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the words for outcomes, and the keys that nothing here writes."""
    if attribute.value.kind is not ValueKind.STRING:
        return
    written, span = around.written(attribute), attribute.value.span
    converted = convert_condition(written)
    for message, remedy in converted.left:
        yield warning(message, span, fix=remedy)
    if converted.changed:
        yield info("; ".join(converted.changed), span, edits=(Edit(span, converted.text),))


def look_at_stylesheet(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the properties that have another name."""
    written, span = around.written(attribute), attribute.value.span
    found = dict.fromkeys(_STYLE.findall(written))
    if found:
        told = "; ".join(f"{one} is {STYLE_PROPERTIES[one]}" for one in found)
        text = _STYLE.sub(lambda one: STYLE_PROPERTIES[one[1]], written)
        yield info(f"in the stylesheet {told}", span, edits=(Edit(span, text),))


def look_at_command(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the variables that another tool sets."""
    written, span = around.written(attribute), attribute.value.span
    named = dict.fromkeys(_VARIABLE.findall(written))
    known = [one for one in named if one in VARIABLES]
    if known:
        told = "; ".join(f"${one} is ${VARIABLES[one]}" for one in known)
        text = _VARIABLE.sub(_renamed, written)
        yield info(told, span, edits=(Edit(span, text),))
    for one in named:
        if one not in VARIABLES:
            yield warning(f"nothing here sets ${one}", span, fix="write a name of your own")


def look_at_prompt(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield what another tool puts into a prompt, and the variables in it."""
    written, span = around.written(attribute), attribute.value.span
    text = _INPUT.sub(r"${\1}", _GOAL.sub("$goal", written))
    if text != written:
        message = "of what is put into a prompt, $goal and ${inputs.NAME} are written so"
        yield info(message, span, edits=(Edit(span, text),))
        return
    yield from look_at_command(around, attributes, attribute)
    for one in dict.fromkeys(_TEMPLATE.findall(written)):
        if not one.startswith("${inputs."):
            fix = "only $goal and ${inputs.NAME} are put in: say in words what is meant"
            yield warning(f"nothing is put in for {quote(one)}", span, fix=fix)


def _renamed(found: re.Match[str]) -> str:
    return found[0].replace(found[1], VARIABLES.get(found[1], found[1]))


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
_LOOKS: Mapping[tuple[AttributeOwner, str], _Look] = {
    (AttributeOwner.NODE, "type"): look_at_type,
    (AttributeOwner.NODE, "shape"): look_at_shape,
    (AttributeOwner.NODE, "timeout"): look_at_timeout,
    (AttributeOwner.NODE, "goal_gate"): look_at_goal_gate,
    (AttributeOwner.NODE, "prompt"): look_at_prompt,
    (AttributeOwner.NODE, "tool_command"): look_at_command,
    (AttributeOwner.NODE, "manager.stop_condition"): look_at_condition,
    (AttributeOwner.EDGE, "condition"): look_at_condition,
    (AttributeOwner.EDGE, "weight"): look_at_weight,
    (AttributeOwner.GRAPH, "model_stylesheet"): look_at_stylesheet,
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

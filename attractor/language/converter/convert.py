"""Converts a pipeline of another tool: rewrites its attributes and checks the result."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from attractor.language.converter.word_tables import (
    MEANINGLESS,
    NO_SHAPE,
    NO_TYPE,
    SHAPES,
    SUPERSEDED,
    TYPES,
    VARIABLES,
    convert_condition,
)
from attractor.language.declarations.inputs import declared_inputs, variable_of
from attractor.language.diagnostics import Diagnostic, Edit, ParseError, in_order, info, warning
from attractor.language.formatter import format
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    NO_ATTRIBUTE,
    RENAMED,
    STYLE_PROPERTIES,
    AttributeOwner,
)
from attractor.language.graph.builder import resolve
from attractor.language.graph.graph import Graph
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
from attractor.language.source.text import Source, quote, span_within, written_word

_PLACE_OF_DEFAULTS = {
    "graph": AttributeOwner.GRAPH,
    "node": AttributeOwner.NODE,
    "edge": AttributeOwner.EDGE,
}


class AttributeList(NamedTuple):
    """A list of attributes, with its owner."""

    place: AttributeOwner
    attributes: Sequence[Attribute]
    node: str = ""

    def has(self, key: str) -> bool:
        """Return whether the list contains a key."""
        return any(attribute.key == key for attribute in self.attributes)


class ForeignAttribute(NamedTuple):
    """An attribute that another tool may have meant, with everything around it."""

    source: Source
    graph: Graph
    attributes: AttributeList
    attribute: Attribute

    @property
    def word(self) -> str:
        """The value as text."""
        return str(self.attribute.value)

    @property
    def span(self) -> Span:
        """The span of the value."""
        return self.attribute.value.span

    @property
    def written(self) -> str:
        """The value as written, with its quotes."""
        start = self.source.offset(self.span.line, self.span.column)
        return self.source.text[
            start : self.source.offset(self.span.end_line, self.span.end_column)
        ]

    def replaced(self, message: str, text: str) -> Diagnostic:
        """Return the diagnostic that replaces the value as written."""
        return info(message, self.span, edits=(Edit(self.span, text),))


def attribute_lists(digraph: Digraph) -> Iterator[AttributeList]:
    """Yield the attribute lists in text order, without recursion for nested subgraphs."""
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


def convert_keys(attributes: AttributeList) -> Iterator[Diagnostic]:
    """Convert the keys of a list, and report unsupported keys."""
    for at, attribute in enumerate(attributes.attributes):
        key, span = attribute.key, attribute.span
        ours = RENAMED.get((attributes.place, key), "")
        if ours and attributes.has(ours):
            yield _duplicate(attribute, ours)
        elif ours:
            yield info(f"renamed {key} to {ours}", span, edits=(Edit(span, written_word(ours)),))
        elif key in _SPECIAL and attributes.place is AttributeOwner.NODE:
            yield _special(attributes, attribute)
        elif key in MEANINGLESS or key in SUPERSEDED:
            yield _removal(attributes, at, SUPERSEDED.get(key, "it has no effect in Attractor"))
        elif key == "error_policy" and str(attribute.value) == "continue":
            yield _removal(attributes, at, "in Attractor, a failed branch never stops the others")
        elif key in NO_ATTRIBUTE and (
            key not in ATTRIBUTES or attributes.place not in ATTRIBUTES[key].places
        ):
            yield warning(f"no equivalent of {key}", span, fix=NO_ATTRIBUTE[key])


_SPECIAL = frozenset({"import", "prompt_file", "continue_on_fail"})


def _special(attributes: AttributeList, attribute: Attribute) -> Diagnostic:
    """Convert an attribute if both the key and the value change."""
    span, value = attribute.span, attribute.value
    if attribute.key == "import":
        edits = (Edit(span, 'type="import", file'),)
        return info('replaced import by type="import" and file', span, edits=edits)
    if attribute.key == "continue_on_fail":
        if str(value) != "true" or attributes.has("on_failure"):
            return warning("no equivalent of continue_on_fail", span, fix="remove it")
        edits = (Edit(span, "on_failure"), Edit(value.span, "continue"))
        return info("replaced continue_on_fail by on_failure=continue", span, edits=edits)
    if attributes.has("prompt"):
        return _duplicate(attribute, "prompt")
    named = quoted(f"@{value}")
    edits = (Edit(span, "prompt"), Edit(value.span, named))
    return info(f"replaced prompt_file by prompt={named}", span, edits=edits)


def _duplicate(attribute: Attribute, ours: str) -> Diagnostic:
    message = f"{attribute.key} is equivalent to {ours}, which is also set"
    return warning(message, attribute.span, fix="remove one of them")


def _removal(attributes: AttributeList, at: int, why: str) -> Diagnostic:
    """Return a diagnostic with the edit that removes an attribute, but keeps line breaks.

    If no edit is possible, the diagnostic only has a fix.
    """
    every, attribute = attributes.attributes, attributes.attributes[at]
    if len(every) == 1:
        return warning(f"no equivalent of {attribute.key}: {why}", attribute.span, fix="remove it")
    message = f"removed {attribute.key}: {why}"
    if at + 1 < len(every):
        behind = every[at + 1].span
        span = attribute.span._replace(end_line=behind.line, end_column=behind.column)
    else:
        before = every[at - 1].value.span
        span = attribute.value.span._replace(line=before.end_line, column=before.end_column)
    return info(message, attribute.span, edits=(Edit(span, "\n" * (span.end_line - span.line)),))


_STYLE = re.compile(r"(?<=[{;\s])(model|provider)(?=\s*:)")
_PATTERN = re.compile(r"(?<=[\s:])[\w.:/-]*(?:\[[\w-]*\]|\*)[\w.*:/\[\]-]*(?=\s*[;}])")
_UNQUOTED = re.compile(r"(\bllm_model\s*:\s*)([\w.-]*[/:@+][\w./:@+-]*)(?=\s*[;}])")
_COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//.*?(?=\n|\\n|\"$)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?(KILROY_[A-Z0-9_]+)")
_GOAL = re.compile(r"\$\{goal\}|\{\{\s*(?:graph\.)?goal\s*\}\}")
_INPUT = re.compile(r"\{\{\s*(inputs\.\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\$\{[a-z][\w.]*\}|\{\{[^{}\n]*\}\}")


def convert_condition_attribute(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert outcomes in a condition, and report unknown keys."""
    if foreign.attribute.value.kind is not ValueKind.STRING:
        return
    edges = [
        edge
        for edge in foreign.graph.edges
        if (value := edge.attributes.value("condition")) and value.span == foreign.span
    ]
    has_labels = not edges or any(_has_labels(foreign.graph, edge.source) for edge in edges)
    converted = convert_condition(foreign.written, has_labels=has_labels)
    for message, remedy in converted.left:
        yield warning(message, foreign.span, fix=remedy)
    if converted.changed:
        yield foreign.replaced(f"replaced {', '.join(converted.changed)}", converted.text)


def _has_labels(graph: Graph, node: str) -> bool:
    """Return whether a node chooses labels, or a node whose outcome it passes on; no tool does."""
    waiting, seen = [node], {node}
    while waiting:
        chosen = waiting.pop()
        type_ = graph.nodes[chosen].type
        # The type of another tool may be converted in the same round.
        type_ = TYPES.get(type_, type_)
        if type_ not in ("tool", "conditional"):
            return True
        if type_ == "conditional":
            before = {edge.source for edge in graph.incoming(chosen)} - seen
            seen |= before
            waiting += before
    return False


def convert_stylesheet(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert the properties of a stylesheet, quote names of models, and remove comments."""
    written = foreign.written
    text = _COMMENT.sub("", written)
    done = ["removed its comments"] if text != written else []
    if keys := dict.fromkeys(_STYLE.findall(text)):
        done.append("renamed " + ", ".join(f"{key} to {STYLE_PROPERTIES[key]}" for key in keys))
        text = _STYLE.sub(lambda found: STYLE_PROPERTIES[found[1]], text)
    if unquoted := [found[2] for found in _UNQUOTED.finditer(text)]:
        done.append("quoted " + ", ".join(unquoted))
        text = _UNQUOTED.sub(r'\1\\"\2\\"', text)
    if done:
        yield foreign.replaced(f"changed the stylesheet: {'; '.join(done)}", text)
    for found in _PATTERN.finditer(foreign.word):
        place = span_within(foreign.attribute.value, *found.span())
        fix = "name one model; 'attractor models' lists them"
        yield warning(f"unsupported pattern {quote(found[0])} of a model", place, fix=fix)


def convert_params(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert declared parameters to inputs; the goal is no input."""
    key = foreign.attribute.span
    if foreign.attributes.has("inputs"):
        yield _duplicate(foreign.attribute, "inputs")
        return
    names = [name for name in _names(foreign.word) if name != "goal"]
    edits = (Edit(key, "inputs"), Edit(foreign.span, quoted(", ".join(names))))
    message = "replaced params by inputs, which are required unless they have a default: NAME=TEXT"
    yield info(message, key, edits=edits)


def convert_goal(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Report a variable in the goal, which is the value of `$goal` in prompts."""
    found = _PARAMETER_IN_PROMPT.search(foreign.word) or _TEMPLATE.search(foreign.word)
    if foreign.word == "$goal" or _GOAL.fullmatch(foreign.word):
        yield foreign.replaced(f"removed {foreign.word} from the goal: pass it with --goal", '""')
    elif found:
        message = f"{found[0]} is plain text in the goal"
        fix = "remove it, and pass the goal to each run with --goal"
        yield warning(message, foreign.span, fix=fix)


def _add_unit(foreign: ForeignAttribute, unit: str) -> Iterator[Diagnostic]:
    """Add the unit to a duration without a unit."""
    word = foreign.word
    if word.isascii() and word.isdigit():
        message = f"replaced {foreign.attribute.key} {word} by {word}{unit}"
        yield foreign.replaced(message, quoted(word + unit))


_PARAMETER_IN_PROMPT = re.compile(r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})")
_KEY_IN_PROMPT = re.compile(r"\$([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)")
# Set by the engine of another tool.
_SET_BY_OTHERS = frozenset({"iteration", "loop_count", "last_response"})
_PARAMETER = re.compile(
    r"(?<![\\$])\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?=[:}%#]))"
)


def _add_second(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Add the unit to an interval, and raise it to the shortest one."""
    if re.fullmatch(r"0+(?:ms|s|m|h)?", foreign.word):
        message = f"replaced {foreign.attribute.key} {foreign.word} by 1s, the shortest one"
        yield foreign.replaced(message, quoted("1s"))
    else:
        yield from _add_unit(foreign, "s")


def declare_inputs(source: Source, digraph: Digraph, graph: Graph) -> Iterator[Diagnostic]:
    """Declare the unset variables of prompts as inputs; another round then names them so."""
    declared, used = _declared(graph), dict[str, None]()
    for node in graph.nodes.values():
        for found in _PARAMETER_IN_PROMPT.finditer(node.prompt):
            name = _name(found)
            # `$a.b` is a key of the context.
            is_key = re.match(r"\.\w", node.prompt[found.end() :]) is not None
            is_set = is_key or name in _SET_BY_OTHERS or name.startswith("prior_critiques_")
            is_name = name.islower() and len(name) >= _SHORTEST and name != "goal"
            if is_name and not is_set and name not in declared:
                used[name] = None
    # With params, the inputs are only declared in the next round.
    if not used or graph.attributes.value("params"):
        return
    names = ", ".join(used)
    if value := graph.attributes.value("inputs"):
        place, text = value.span, quoted(f"{value}, {names}")
    else:
        first = digraph.id.span if digraph.id else digraph.span
        after = source.text.index("{", source.offset(first.end_line, first.end_column)) + 1
        # In the same line, so that reports name the lines of the original.
        place, text = source.span(after, after), f" inputs={quoted(names)}; "
    message = f"declared {names} as inputs, which prompts use: pass them with --input, or write a "
    yield info(f"{message}default: NAME=TEXT", place, edits=(Edit(place, text),))


def _undeclared(name: str, written: str) -> str:
    """Return the fix for a variable that is no declared input."""
    if name in _SET_BY_OTHERS or name.startswith("prior_critiques_"):
        return "remove it: no value of a run has this name"
    return f"for an input, add {name} to inputs of the graph, and write {written}"


def _name(found: re.Match[str]) -> str:
    return found["name"] or found["braced"]


def _names(written: str) -> list[str]:
    return [name for name in re.split(r"[\s,]+", written) if name]


def _declared(graph: Graph) -> frozenset[str]:
    """Return the names of the inputs and parameters of a graph, except for secrets."""
    inputs = (one.name for one in declared_inputs(graph) if not one.is_secret)
    return frozenset([*inputs, *_names(graph.attributes.text("params"))]) - {"goal"}


def convert_tool_command(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert parameters in a command to the variables of inputs."""
    written = foreign.written
    declared = _declared(foreign.graph)
    used = dict.fromkeys(_name(found) for found in _PARAMETER.finditer(written))
    ours = {name: variable_of(name) for name in used if name in declared}
    text = _PARAMETER.sub(
        lambda found: found[0].replace(_name(found), ours.get(_name(found), _name(found))), written
    )
    # In a pipeline with params, $$ is a $ for the shell.
    if foreign.graph.attributes.text("params"):
        text = text.replace("$$", "$")
    for name in used:
        is_set = re.search(rf"(?<![\w${{]){name}\b", written)
        if name not in ours and name.islower() and not is_set:
            fix = _undeclared(name, f"${variable_of(name)}")
            yield warning(f"the command does not set ${name}", foreign.span, fix=fix)
    if text != written:
        named = ", ".join(f"${name} by ${ours[name]}" for name in ours) or "$$ by $"
        yield foreign.replaced(f"replaced {named}", text)
    else:
        yield from convert_command(foreign)


def convert_file(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Report a variable in the path of another pipeline."""
    if "$" in foreign.word:
        message = f"variable in the path {quote(foreign.word)}"
        yield warning(message, foreign.span, fix="write the path of a file of the project")


_CONTEXT = "context."
# Shorter names are mostly variables of the shell.
_SHORTEST = 3


def convert_child_inputs(attributes: AttributeList) -> Iterator[Diagnostic]:
    """Convert the `context.NAME` attributes of a node that runs another pipeline to its inputs."""
    given = [attribute for attribute in attributes.attributes if attribute.key.startswith(_CONTEXT)]
    if not given or not (attributes.has("dot_file") or attributes.has("file")):
        return
    keys = ", ".join(attribute.key for attribute in given)
    inputs = ", ".join(
        f"{attribute.key.removeprefix(_CONTEXT)}={quoted(str(attribute.value))}"
        for attribute in given
    )
    first, last = given[0], given[-1]
    at = attributes.attributes.index(first)
    if list(attributes.attributes[at : at + len(given)]) != given or attributes.has("inputs"):
        fix = f"write inputs={quoted(inputs)} instead"
        yield warning(f"no equivalent of {keys}", first.span, fix=fix)
        return
    place = first.span.through(last.value.span)
    edits = (Edit(place, f"inputs={quoted(inputs)}"),)
    message = f"replaced {keys} by inputs, which the other pipeline must declare"
    yield info(message, first.span, edits=edits)


def convert_command(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert variables in a command, and report unknown variables."""
    written = foreign.written
    named = dict.fromkeys(_VARIABLE.findall(written))
    known = [name for name in named if name in VARIABLES]
    if known:
        renamed = ", ".join(f"${name} to ${VARIABLES[name]}" for name in known)
        text = _VARIABLE.sub(
            lambda found: found[0].replace(found[1], VARIABLES.get(found[1], found[1])), written
        )
        yield foreign.replaced(f"renamed {renamed}", text)
    for name in named:
        if name not in VARIABLES:
            message = f"unknown variable ${name}: Attractor does not set it"
            yield warning(message, foreign.span, fix="replace it by a variable that you set")


def convert_prompt(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert placeholders and variables in a prompt, and report unsupported placeholders."""
    written, span = foreign.written, foreign.span
    declared = _declared(foreign.graph)
    text = _INPUT.sub(r"${\1}", _GOAL.sub("$goal", written))
    text = _PARAMETER_IN_PROMPT.sub(
        lambda found: f"${{inputs.{_name(found)}}}" if _name(found) in declared else found[0], text
    )
    if text != written:
        yield foreign.replaced("rewrote placeholders as $goal and ${inputs.NAME}", text)
        return
    yield from convert_command(foreign)
    for name, key in dict.fromkeys(_KEY_IN_PROMPT.findall(written)):
        if name != "goal" and name.islower():
            fix = _undeclared(name, f"${{inputs.{name}}}")
            fix = "remove it: fidelity passes on what earlier stages said" if key else fix
            yield warning(f"${name}{key} is plain text in a prompt", span, fix=fix)
    for placeholder in dict.fromkeys(_TEMPLATE.findall(written)):
        if not placeholder.startswith("${inputs."):
            fix = "use $goal or ${inputs.NAME}, or replace it by plain text"
            yield warning(f"unsupported placeholder {quote(placeholder)}", span, fix=fix)


_WHOLE = re.compile(r"([0-9]{1,9})\.0+")
_ENDS = {"circle": "Mdiamond", "doublecircle": "Msquare"}
_CHILD = ("stack.child_d", "stack.child_workflow", "child_graph")
_MANAGES = ("manager.", "stack.", "child_graph", "max_iterations", "success_condition")


def convert_type(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert the type of a node."""
    word = foreign.word
    if word in TYPES:
        yield foreign.replaced(f"replaced type {word} by {TYPES[word]}", quoted(TYPES[word]))
    elif word in NO_TYPE:
        yield warning(f"unsupported type {word}", foreign.span, fix=NO_TYPE[word])


def convert_shape(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert the shape of a node."""
    word, span = foreign.word, foreign.span
    ours, why = _shape(foreign)
    type_ = _TYPE_OF_SHAPE.get(word, ("", ""))
    edits = _typed(foreign, *type_) if type_[0] else ()
    if ours:
        yield foreign.replaced(f"replaced shape {word} by {ours}: {why}", ours)
    elif edits:
        yield info(f"replaced shape {word} by type={type_[0]}", span, edits=edits)
    elif word in NO_SHAPE:
        yield warning(f"unsupported shape {word}", span, fix=NO_SHAPE[word])
    elif word == "house" and not any(
        key.startswith(_CHILD)
        for key in (
            *foreign.graph.attributes.by_key,
            *(attribute.key for attribute in foreign.attributes.attributes),
        )
    ):
        fix = "move the supervised nodes to a file, and set stack.child_dotfile on the node"
        yield warning("the manager has no pipeline to supervise", span, fix=fix)


def convert_weight(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Convert a weight to an integer, or report a weight that cannot be converted."""
    word = foreign.word
    whole = _WHOLE.fullmatch(word)
    if whole:
        yield foreign.replaced(f"replaced weight {word} by {whole[1]}", whole[1])
    elif foreign.attribute.value.kind is ValueKind.FLOAT or "." in word:
        fix = "multiply the weights of all edges out of the node by the same factor"
        yield warning(f"invalid weight {quote(word)}: not an integer", foreign.span, fix=fix)


def convert_goal_gate(foreign: ForeignAttribute) -> Iterator[Diagnostic]:
    """Report a goal gate with a condition."""
    if re.fullmatch(r"outcome\s*=\s*(?:success|SUCCESS)", foreign.word):
        yield foreign.replaced(f"replaced goal_gate {quote(foreign.word)} by true", "true")
    elif foreign.word not in ("true", "false", ""):
        message = f"unsupported condition of a goal gate: {quote(foreign.word)}"
        fix = "write goal_gate=true on the stage that must succeed"
        yield warning(message, foreign.span, fix=fix)


def _shape(foreign: ForeignAttribute) -> tuple[str, str]:
    """Return the new shape and the reason, or "" for both."""
    word = foreign.word
    if word in ("house", "hexagon"):
        return _gate_or_manager(foreign)
    if word in _ENDS:
        ends = foreign.graph.starts if word == "circle" else foreign.graph.exits
        if any(node.shape == _ENDS[word] for node in ends):
            return "", ""
    return SHAPES.get(word, ("", ""))


def _gate_or_manager(foreign: ForeignAttribute) -> tuple[str, str]:
    """Choose between human gate and manager by other attributes, because one tool swaps their
    shapes.
    """
    own = [attribute.key for attribute in foreign.attributes.attributes]
    if foreign.word == "hexagon":
        is_manager = any(key.startswith(_MANAGES) for key in own)
        return ("house", "the node supervises another pipeline") if is_manager else ("", "")
    keys = [*own, *foreign.graph.attributes.by_key]
    labelled = any(edge.label for edge in foreign.graph.outgoing(foreign.attributes.node))
    if labelled and "type" not in own and not any(key.startswith(_MANAGES) for key in keys):
        return "hexagon", "its edges have labels for a person to choose from"
    return "", ""


# Shapes of other tools, with the equivalent type and the attribute that it needs.
_TYPE_OF_SHAPE = {"insulator": ("wait", "duration"), "folder": ("pipeline", "file")}


def _typed(foreign: ForeignAttribute, type_: str, needed: str) -> tuple[Edit, ...]:
    """Return the edits that replace a shape by a type, or none if an attribute is missing."""
    attributes = foreign.attributes
    is_whole = attributes.has(needed) or (needed == "file" and attributes.has("dot_file"))
    if not is_whole or attributes.has("type"):
        return ()
    return (Edit(foreign.attribute.span, "type"), Edit(foreign.span, type_))


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

    `check` validates the result, including the files that the result names.
    """
    fixed = fix(
        source.text,
        check=lambda text: _find_foreign_words(Source(text, source.file)),
        file=source.file,
    )
    now = Source(fixed.text, source.file)
    left = [found for found in _find_foreign_words(now) if not found.edits]
    checked = check(now.text) if check else prepare(now.text, file=now.file)
    # Where a change is reported, the error of the validation says nothing new.
    reported = {diagnostic.span for diagnostic in left}
    left += [
        found for found in checked.diagnostics if found.is_error and found.span not in reported
    ]
    text = format(fixed.text) if fixed.applied else source.text
    return Conversion(text, in_order(fixed.applied), in_order(left))


_Convert = Callable[[ForeignAttribute], Iterator[Diagnostic]]
_CONVERSIONS: Mapping[tuple[AttributeOwner, str], _Convert] = {
    (AttributeOwner.NODE, "type"): convert_type,
    (AttributeOwner.NODE, "shape"): convert_shape,
    (AttributeOwner.NODE, "timeout"): partial(_add_unit, unit="s"),
    (AttributeOwner.NODE, "stall_timeout"): partial(_add_unit, unit="s"),
    (AttributeOwner.GRAPH, "stall_timeout"): partial(_add_unit, unit="s"),
    (AttributeOwner.NODE, "manager.poll_interval"): _add_second,
    (AttributeOwner.NODE, "goal_gate"): convert_goal_gate,
    (AttributeOwner.NODE, "prompt"): convert_prompt,
    (AttributeOwner.NODE, "tool_command"): convert_tool_command,
    (AttributeOwner.NODE, "file"): convert_file,
    (AttributeOwner.NODE, "manager.stop_condition"): convert_condition_attribute,
    (AttributeOwner.EDGE, "condition"): convert_condition_attribute,
    (AttributeOwner.EDGE, "weight"): convert_weight,
    (AttributeOwner.GRAPH, "model_stylesheet"): convert_stylesheet,
    (AttributeOwner.GRAPH, "params"): convert_params,
    (AttributeOwner.GRAPH, "goal"): convert_goal,
    (AttributeOwner.GRAPH, "max_duration"): partial(_add_unit, unit="ms"),
}


def _find_foreign_words(source: Source) -> Iterator[Diagnostic]:
    """Yield diagnostics for names of other tools, with edits for convertible names."""
    parsed = parse_source(source)
    if parsed.digraph is None:
        raise ParseError(parsed.diagnostics)
    graph = resolve(parsed.digraph)
    for attributes in attribute_lists(parsed.digraph):
        found = [*convert_keys(attributes), *convert_child_inputs(attributes)]
        for attribute in attributes.attributes:
            convert_value = _CONVERSIONS.get((attributes.place, attribute.key))
            if convert_value:
                found += convert_value(ForeignAttribute(source, graph, attributes, attribute))
        for diagnostic in found:
            yield replace(diagnostic, rule=RULE, node=attributes.node)
    yield from (replace(one, rule=RULE) for one in declare_inputs(source, parsed.digraph, graph))
    yield from _outcomes_in_prompts(graph)


def _outcomes_in_prompts(graph: Graph) -> Iterator[Diagnostic]:
    """Yield diagnostics for prompts that request an outcome converted to a preferred label."""
    conditions = (edge.attributes.text("condition") for edge in graph.edges)
    labels = {label for condition in conditions for label in _LABEL.findall(condition)}
    for node in graph.nodes.values():
        requested = sorted(label for label in labels if f"outcome={label}" in node.prompt)
        if requested:
            message = f"the prompt of {node.id} asks for the unknown outcome={requested[0]}"
            prompt = node.attributes.value("prompt")
            fix_ = f"ask for the preferred label {requested[0]} instead"
            span = prompt.span if prompt else node.span
            yield replace(warning(message, span, fix=fix_), rule=RULE, node=node.id)

"""Inputs that a pipeline declares, including secrets (ruling L8)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.errors import UsageError
from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import Diagnostic, Mistake, error, suggester
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import parse_integer
from attractor.language.source.text import IDENTIFIER, TEXT, quote, read_text

_DECLARATION = late_pattern(
    rf"""\s* (?P<name> [^\s,:="]* ) \s*
    (?: : \s* (?P<type> [^\s,:="]* ) \s* )?
    (?: = \s* (?: (?P<text> {TEXT.pattern} ) | (?P<word> [^,"]* ) ) \s* )?
    (?P<rest> [^,]* ) (?: , | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_DECIMAL = late_pattern(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
SECRET = "secret"
_TYPES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "str": (lambda text: True, "a text"),
    "int": (lambda text: parse_integer(text) is not None, "an integer"),
    "float": (lambda text: _DECIMAL.fullmatch(text) is not None, "a number"),
    "bool": (lambda text: text in ("true", "false"), "true or false"),
    SECRET: (lambda text: True, "a text"),
}


class Input(NamedTuple):
    """One input of a run; an input without a default is required."""

    name: str
    type: str = "str"
    default: str | None = None
    written: str = ""

    def fits(self, text: str) -> bool:
        """Return whether a text is a valid value."""
        return _TYPES[self.type][0](text)

    @property
    def is_secret(self) -> bool:
        """Whether the value must not occur in prompts, logs and checkpoints."""
        return self.type == SECRET


class DeclaredInputs(NamedTuple):
    """Declared inputs, each name once, and the mistakes."""

    inputs: tuple[Input, ...]
    mistakes: tuple[Mistake, ...] = ()


def declared_inputs(graph: Graph) -> Sequence[Input]:
    """Return the inputs that a pipeline declares."""
    return read_inputs(graph.attributes.text("inputs")).inputs


def read_inputs(text: str) -> DeclaredInputs:
    """Parse declarations; skip declarations with a mistake."""
    inputs: dict[str, Input] = {}
    mistakes: list[Mistake] = []
    at = 0 if text.strip() else len(text)
    while at < len(text):
        found = _DECLARATION.match(text, at)
        assert found is not None
        at = found.end()
        mistake = _mistake(found, inputs)
        if mistake:
            mistakes.append(mistake._replace(name=found["name"]))
        else:
            name, written = found["name"], found[0].rstrip(",").strip()
            inputs[name] = Input(name, found["type"] or "str", _default(found), written)
    return DeclaredInputs(tuple(inputs.values()), tuple(mistakes))


def resolve_inputs(declared: Iterable[Input], given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values of all inputs, or raise UsageError with all problems.

    A missing secret is not reported.
    """
    declared = tuple(declared)
    if problems := find_input_faults(declared, given):
        hint = "; ".join(dict.fromkeys(fault.fix for fault in problems))
        raise UsageError("; ".join(fault.message for fault in problems), hint=hint)
    defaults = {one.name: one.default for one in declared if one.default is not None}
    return {**defaults, **given}


class InputFault(NamedTuple):
    """A fault of a value: the name of its input, a sentence, and how to fix it."""

    name: str
    message: str
    fix: str


def find_input_faults(declared: Iterable[Input], given: Mapping[str, str]) -> Sequence[InputFault]:
    """Return what is wrong with the values of inputs; a missing secret is no fault."""
    known = {input_.name: input_ for input_ in declared}
    suggest = suggester(known)
    problems: list[InputFault] = []
    for name in given:
        if name not in known:
            names = f"known: {', '.join(known) or 'none'}"
            problems.append(
                InputFault(name, f"unknown input {quote(name)}", suggest(name) or names)
            )
    for input_ in known.values():
        value = given.get(input_.name)
        if value is None and input_.is_secret:
            # Prompts cannot contain a secret, so preflight checks whether it is set.
            continue
        if value is None and input_.default is None:
            fix = f"add --input {input_.name}=VALUE"
            problems.append(InputFault(input_.name, f"missing input {input_.name}", fix))
        elif value is not None and not _TYPES[input_.type][0](value):
            # Every text is a valid secret, so no secret is quoted here.
            message = f"invalid value {quote(value)} of the input {input_.name}"
            fix = f"{input_.name} must be {_TYPES[input_.type][1]}"
            problems.append(InputFault(input_.name, message, fix))
    return problems


def _mistake(found: re.Match[str], inputs: Mapping[str, Input]) -> Mistake | None:
    name, type_, rest = found["name"], found["type"], found["rest"].strip()
    if rest:
        start = found.start("rest")
        message = f"unexpected {quote(rest)}"
        hint = "write name, name=default or name:type=default; quote a default with a comma"
        return Mistake(message, start, start + len(rest), hint)
    if not name:
        start = found.start("name")
        return Mistake("missing name of an input", start, start, "add a name, or remove the comma")
    if not IDENTIFIER.fullmatch(name):
        hint = "use letters, digits and _"
        return Mistake(f"invalid input name {quote(name)}", *found.span("name"), hint)
    if name in inputs:
        message = f"duplicate input {name}"
        return Mistake(message, *found.span("name"), "remove one of them")
    rival = _rival(name, inputs.values()) if type_ == SECRET else None
    if rival is not None:
        message = f"the secrets {rival.name} and {name} have the same variable"
        return Mistake(message, *found.span("name"), "rename one of them")
    if type_ is not None and type_ not in _TYPES:
        hint = suggester(_TYPES)(type_) or f"use one of {', '.join(_TYPES)}"
        message = f"unknown input type {quote(type_)}"
        return Mistake(message, *found.span("type"), hint)
    return _wrong_default(found, type_ or "str")


def _rival(name: str, inputs: Iterable[Input]) -> Input | None:
    """Return the secret whose variable is that of a name."""
    secrets = (one for one in inputs if one.is_secret)
    return next((one for one in secrets if variable_of(one.name) == variable_of(name)), None)


def _wrong_default(found: re.Match[str], type_: str) -> Mistake | None:
    default = _default(found)
    group = "word" if found["text"] is None else "text"
    if default is None:
        return None
    start, end = found.start(group), found.start(group) + len(found[group].rstrip())
    if type_ == SECRET:
        message = f"the secret {found['name']} must not have a default"
        return Mistake(message, start, end, "remove the default, and pass the secret to each run")
    is_fine, named = _TYPES[type_]
    if is_fine(default):
        return None
    return Mistake(f"{quote(default)} is not {named}", start, end, f"use {named}")


def _default(found: re.Match[str]) -> str | None:
    if found["text"] is not None:
        return read_text(found["text"][1:-1])[0]
    return found["word"] if found["word"] is None else found["word"].strip()


SECRETS = "secrets"
"""The attribute with the secrets of a tool stage."""

SHORTEST_SECRET = 8
"""The minimum length of a secret: redaction would replace a shorter secret inside other words."""

LARGEST_VARIABLE = 128 * 1024 - 1
"""The maximum size in bytes of a variable of a program on Linux, with its name."""

TOOL = "tool"
_PREFIX = "ATTRACTOR_INPUT_"
_NUL = "contains a NUL byte, which no variable can contain"
_BETWEEN = late_pattern(r"[,\s]+")


def variable_of(name: str) -> str:
    """Return the variable that passes an input to a run, or to the command of a tool stage."""
    return f"{_PREFIX}{name.upper()}"


def is_of_input(variable: str) -> bool:
    """Return whether a variable belongs to an input."""
    return variable.startswith(_PREFIX)


def asked_secrets(node: Node) -> list[str]:
    """Return the secrets that a stage uses."""
    return [word for word in _BETWEEN.split(node.attributes.text(SECRETS)) if word]


def secrets_from(declared: Iterable[Input], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secret inputs that variables set."""
    return {
        input_.name: environ[variable_of(input_.name)]
        for input_ in declared
        if input_.is_secret and environ.get(variable_of(input_.name))
    }


def fault_of_secret(value: str) -> str:
    """Return why a value is not a valid secret, or an empty text."""
    if len(value.strip()) < SHORTEST_SECRET:
        return (
            f"is shorter than {SHORTEST_SECRET} characters: redaction cannot distinguish it from "
            "other words"
        )
    return _NUL if "\0" in value else ""


def fault_of_variable(name: str, value: str) -> str:
    """Return the reason why a command cannot get an input as a variable, or an empty text."""
    if "\0" in value:
        return _NUL
    size = len(f"{variable_of(name)}={value}".encode("utf-8", "surrogatepass"))
    if size > LARGEST_VARIABLE:
        return f"has {size} bytes as a variable, and the maximum is {LARGEST_VARIABLE}"
    return ""


def find_secret_mistakes(graph: Graph) -> Iterator[Diagnostic]:
    """Report each invalid use of secrets."""
    nodes = [node for node in graph.nodes_with(SECRETS) if asked_secrets(node)]
    known = [one.name for one in declared_inputs(graph) if one.is_secret] if nodes else []
    suggest = suggester(known)
    for node in nodes:
        span = node.attributes.by_key[SECRETS].span
        if node.type != TOOL:
            message = f"{quote(node.id)} uses secrets, but its type is {node.type}"
            fix = "use secrets in tool stages only: models and agents never receive them"
            yield error(message, span, node=node.id, fix=fix)
        for name in asked_secrets(node):
            if name not in known:
                message = f"{quote(node.id)} uses the undeclared secret {quote(name)}"
                fix = suggest(name) or f'declare it on the graph: inputs="{name}:secret"'
                yield error(message, span, node=node.id, fix=fix)

"""Inputs that a pipeline declares, and the secrets among them (ruling L8)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.language.diagnostics import suggester
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Span, parse_integer
from attractor.language.source.text import quote, read_text

_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_DECLARATION = re.compile(
    rf"""\s* (?P<name> [^\s,:="]* ) \s*
    (?: : \s* (?P<type> [^\s,:="]* ) \s* )?
    (?: = \s* (?: (?P<text> {_TEXT} ) | (?P<word> [^,"]* ) ) \s* )?
    (?P<rest> [^,]* ) (?: , | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
SECRET = "secret"
_TYPES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "str": (lambda text: True, "a text"),
    "int": (lambda text: parse_integer(text) is not None, "a whole number"),
    "float": (lambda text: _DECIMAL.fullmatch(text) is not None, "a number"),
    "bool": (lambda text: text in ("true", "false"), "true or false"),
    SECRET: (lambda text: True, "a text"),
}


class Input(NamedTuple):
    """One thing that a run is given; without a default it must be."""

    name: str
    type: str = "str"
    default: str | None = None
    written: str = ""

    def fits(self, text: str) -> bool:
        """Tell whether a value, written as a text, is of its type."""
        return _TYPES[self.type][0](text)

    @property
    def is_secret(self) -> bool:
        """Whether it may never stand in a prompt, a log or a checkpoint."""
        return self.type == SECRET


class InputMistake(NamedTuple):
    """What is wrong in a declaration, between which offsets, and the name that it declares."""

    message: str
    start: int
    end: int
    hint: str
    name: str = ""


class Declared(NamedTuple):
    """What a text declares, each name once, and the mistakes in it."""

    inputs: tuple[Input, ...]
    mistakes: tuple[InputMistake, ...] = ()


def declared_inputs(graph: Graph) -> Sequence[Input]:
    """Return what a pipeline declares."""
    return read_inputs(graph.attributes.text("inputs")).inputs


def read_inputs(text: str) -> Declared:
    """Read declarations; what is wrong in one keeps it from being declared."""
    inputs: dict[str, Input] = {}
    mistakes: list[InputMistake] = []
    for found in _declarations(text):
        mistake = _mistake(found, inputs)
        if mistake:
            mistakes.append(mistake._replace(name=found["name"]))
        else:
            inputs[found["name"]] = _input(found)
    return Declared(tuple(inputs.values()), tuple(mistakes))


def resolve_inputs(declared: Iterable[Input], given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the value of every input, or raise UsageError with all that is wrong at once.

    Nothing is said of secrets that are not given.
    """
    known = {one.name: one for one in declared}
    problems = [*_undeclared(known, given)]
    for one in known.values():
        value = given.get(one.name)
        if value is None and one.is_secret:
            # No prompt holds it: whether it is there is looked at with all that a run needs.
            continue
        if value is None and one.default is None:
            problems.append((f"the input {one.name} is missing", f"give --input {one.name}=VALUE"))
        elif value is not None and not _TYPES[one.type][0](value):
            # A secret is of no type that could be wrong, so what is quoted here is none.
            message = f"the input {one.name} cannot be {quote(value)}"
            problems.append((message, f"{one.name} takes {_TYPES[one.type][1]}"))
    if problems:
        hint = "; ".join(dict.fromkeys(fix for _, fix in problems))
        raise UsageError("; ".join(message for message, _ in problems), hint=hint)
    defaults = {one.name: one.default for one in known.values() if one.default is not None}
    return {**defaults, **given}


def _undeclared(known: Mapping[str, Input], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    suggest = suggester(known)
    for name in given:
        if name not in known:
            names = f"known: {', '.join(known) or 'none'}"
            yield f"this pipeline has no input {quote(name)}", suggest(name) or names


def _declarations(text: str) -> Iterator[re.Match[str]]:
    at = 0 if text.strip() else len(text)
    while at < len(text):
        found = _DECLARATION.match(text, at)
        assert found is not None
        yield found
        at = found.end()


def _mistake(found: re.Match[str], inputs: Mapping[str, Input]) -> InputMistake | None:
    name, type_, rest = found["name"], found["type"], found["rest"].strip()
    if rest:
        start = found.start("rest")
        message = f"{quote(rest)} does not belong there"
        hint = "write name, name=default or name:type=default; a text with , in quotes"
        return InputMistake(message, start, start + len(rest), hint)
    if not name:
        start = found.start("name")
        return InputMistake(
            "an input has no name", start, start, "write one, or take the comma away"
        )
    if not _NAME.fullmatch(name):
        hint = "use letters, digits and _"
        return InputMistake(f"{quote(name)} is no name for an input", *found.span("name"), hint)
    if name in inputs:
        message = f"the input {name} is declared twice"
        return InputMistake(message, *found.span("name"), "take one of them away")
    if type_ is not None and type_ not in _TYPES:
        hint = suggester(_TYPES)(type_) or f"write one of {', '.join(_TYPES)}"
        message = f"{quote(type_)} is no type of inputs"
        return InputMistake(message, *found.span("type"), hint)
    return _wrong_default(found, type_ or "str")


def _wrong_default(found: re.Match[str], type_: str) -> InputMistake | None:
    default = _default(found)
    group = "word" if found["text"] is None else "text"
    if default is None:
        return None
    start, end = found.start(group), found.start(group) + len(found[group].rstrip())
    if type_ == SECRET:
        message = f"the secret {found['name']} has a default, which is no secret"
        return InputMistake(message, start, end, "take it away, and give the secret to each run")
    is_fine, named = _TYPES[type_]
    if is_fine(default):
        return None
    return InputMistake(f"{quote(default)} is not {named}", start, end, f"write {named}")


def _input(found: re.Match[str]) -> Input:
    written = found[0].rstrip(",").strip()
    return Input(found["name"], found["type"] or "str", _default(found), written)


def _default(found: re.Match[str]) -> str | None:
    if found["text"] is not None:
        return read_text(found["text"][1:-1])[0]
    return found["word"] if found["word"] is None else found["word"].strip()


SECRETS = "secrets"
"""The attribute by which a tool stage asks for secret inputs."""

SHORTEST_SECRET = 8
"""A shorter one could not be told from other words, where it is to be replaced."""

TOOL = "tool"
_PREFIX = "ATTRACTOR_INPUT_"
_BETWEEN = re.compile(r"[,\s]+")


@dataclass(frozen=True)
class SecretMistake:
    """What is wrong with a stage that asks for secrets, where, and what to do."""

    node: str
    message: str
    span: Span
    fix: str


def variable_of(name: str) -> str:
    """Return the variable of an input: by it a run is given it, and a command finds a secret."""
    return f"{_PREFIX}{name.upper()}"


def is_of_input(variable: str) -> bool:
    """Tell whether a variable gives a run an input."""
    return variable.startswith(_PREFIX)


def asked_secrets(node: Node) -> list[str]:
    """Return the names of the secret inputs that a stage asks for."""
    return [one for one in _BETWEEN.split(node.attributes.text(SECRETS)) if one]


def secrets_from(declared: Iterable[Input], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secret inputs that variables give."""
    return {
        one.name: environ[variable_of(one.name)]
        for one in declared
        if one.is_secret and environ.get(variable_of(one.name))
    }


def fault_of_secret(value: str) -> str:
    """Return why a value cannot be kept secret, or given to a command; nothing when it can."""
    if len(value.strip()) < SHORTEST_SECRET:
        return (
            f"is shorter than {SHORTEST_SECRET} characters: it could not be told from other words "
            "where it is to be replaced"
        )
    return "holds a NUL byte, which no command can be given" if "\0" in value else ""


def find_secret_mistakes(graph: Graph) -> Iterator[SecretMistake]:
    """Yield each stage that asks for secrets and cannot get them."""
    nodes = [node for node in graph.nodes_with(SECRETS) if asked_secrets(node)]
    known = [one.name for one in declared_inputs(graph) if one.is_secret] if nodes else []
    suggest = suggester(known)
    for node in nodes:
        span = node.attributes.by_key[SECRETS].span
        if node.type != TOOL:
            what = f"{quote(node.id)} asks for secrets, and its type is {node.type}"
            fix = "let a tool stage do what needs them: no model and no agent is given a secret"
            yield SecretMistake(node.id, what, span, fix)
        for name in asked_secrets(node):
            if name not in known:
                what = f"{quote(node.id)} asks for the secret {quote(name)}, which is not declared"
                fix = suggest(name) or f'declare it on the graph: inputs="{name}:secret"'
                yield SecretMistake(node.id, what, span, fix)

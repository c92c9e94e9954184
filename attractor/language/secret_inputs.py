"""What is secret of what a run is given: by which variable, and which tool stages get it (L8)."""

import re
from collections.abc import Iterable, Iterator, Mapping

from attractor.base.dataclasses import dataclass
from attractor.language.graph import Graph, Node
from attractor.language.inputs import Input, declared_inputs
from attractor.language.nearest import suggester
from attractor.language.spans import Span
from attractor.language.wording import quote

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

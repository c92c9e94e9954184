"""Finds the places where nodes are named, also in an invalid text."""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.parsing.tokens import Findings, Token, scan
from attractor.language.source.syntax_tree import Attribute, Span
from attractor.language.source.text import Source

NAMING_KEYS = frozenset({"retry_target", "fallback_retry_target", "human.default_choice"})
"""The attributes whose value is the id of a node."""

_NO_NODE_BEHIND = frozenset({"SUBGRAPH", "_COLON", "DIGRAPH"})


class Role(Enum):
    """The role of a name."""

    DECLARED = auto()
    ON_AN_EDGE = auto()
    IN_AN_ATTRIBUTE = auto()


class Occurrence(NamedTuple):
    """A position where a node is named."""

    id: str
    span: Span
    role: Role


def occurrences(source: Source) -> Sequence[Occurrence]:
    """Return all positions where nodes are named, in text order."""
    tokens = list(scan(Findings(source)))
    roles = dict(roles_of(tokens))
    found: list[Occurrence] = []
    for at, token in enumerate(tokens):
        found += _in_attributes(token.attributes)
        if token.id is not None and at in roles:
            found.append(Occurrence(token.id.text, token.id.span, roles[at]))
    return found


def roles_of(tokens: Sequence[Token]) -> Iterator[tuple[int, Role]]:
    """Yield the indexes of tokens that are node ids, with their roles."""
    inside = False
    for at, token in enumerate(tokens):
        inside = inside or token.type == "_OPEN"
        if inside and token.id is not None and _is_node(tokens, at):
            yield at, _role(tokens, at)


def declaration(id_: str, found: Sequence[Occurrence]) -> Occurrence | None:
    """Return the declaration of a node, else the first edge that names it."""
    places = [one for one in found if one.id == id_ and one.role is not Role.IN_AN_ATTRIBUTE]
    return min(places, key=lambda one: (one.role is not Role.DECLARED, one.span), default=None)


def named_at(found: Sequence[Occurrence], line: int, column: int) -> Occurrence | None:
    """Return the name at a position."""
    place = line, column
    return next(
        (
            one
            for one in found
            if (one.span.line, one.span.column) <= place <= (one.span.end_line, one.span.end_column)
        ),
        None,
    )


def _in_attributes(attributes: Sequence[Attribute]) -> Iterator[Occurrence]:
    for attribute in attributes:
        text = str(attribute.value)
        if attribute.key in NAMING_KEYS and text:
            yield Occurrence(text, attribute.value.span, Role.IN_AN_ATTRIBUTE)


def _is_node(tokens: Sequence[Token], at: int) -> bool:
    """Return whether a token is a node id, not a key of an unclosed list."""
    is_key = tokens[at + 1].type == "OTHER"
    return tokens[at].type == "ID" and tokens[at - 1].type not in _NO_NODE_BEHIND and not is_key


def _role(tokens: Sequence[Token], at: int) -> Role:
    behind = at + 1
    while tokens[behind].type == "_COLON" and tokens[behind + 1].type == "ID":
        behind += 2
    is_on_edge = "_ARROW" in (tokens[at - 1].type, tokens[behind].type)
    return Role.ON_AN_EDGE if is_on_edge else Role.DECLARED

"""Proposes completions at the cursor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.editor.cursor import Cursor, CursorKind
from attractor.language.editor.hover import describe_attribute
from attractor.language.editor.occurrences import NAMING_KEYS
from attractor.language.editor.value_meanings import meaning_of
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.fidelity import FIDELITIES
from attractor.language.graph.graph import TYPE_OF_SHAPE
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import written_word


class ProposalKind(Enum):
    """The kinds of proposals, for icons in an editor."""

    NODE = auto()
    KEY = auto()
    VALUE = auto()
    WORD = auto()


class Proposal(NamedTuple):
    """A proposed word and its meaning."""

    text: str
    sort: ProposalKind
    detail: str = ""
    documentation: str = ""


_WORDS = ("node", "edge", "graph", "subgraph")
_CONDITIONS = ("outcome=success", "outcome=fail", "outcome=partial_success", "outcome!=success")


def propose(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Sequence[Proposal]:
    """Return proposals for the cursor, best first."""
    match cursor.writing:
        case CursorKind.KEY:
            return list(_keys(cursor.place))
        case CursorKind.VALUE:
            return list(_values(cursor, nodes, vocabulary))
        case CursorKind.TARGET:
            return list(_nodes(nodes))
        case CursorKind.STATEMENT:
            words = (Proposal(word, ProposalKind.WORD) for word in _WORDS)
            return [*_nodes(nodes), *words, *_keys(AttributeOwner.GRAPH)]
        case CursorKind.NOTHING:
            return []


def _keys(place: AttributeOwner) -> Iterator[Proposal]:
    for row in ATTRIBUTES.values():
        if place in row.places and not row.alias_of:
            yield Proposal(row.name, ProposalKind.KEY, str(row.type), describe_attribute(row))


def _nodes(nodes: Iterable[str]) -> Iterator[Proposal]:
    for id_ in dict.fromkeys(nodes):
        yield Proposal(written_word(id_), ProposalKind.NODE, "node")


def _values(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Iterator[Proposal]:
    if cursor.key in NAMING_KEYS:
        yield from _nodes(nodes)
        return
    row = ATTRIBUTES.get(cursor.key)
    words = _named(vocabulary).get(cursor.key) or _of_type(row)
    for word in words:
        text = word if cursor.is_quoted else written_word(word)
        detail = TYPE_OF_SHAPE.get(word, "") if cursor.key == "shape" else ""
        yield Proposal(text, ProposalKind.VALUE, detail, meaning_of(cursor.key, word))


def _named(vocabulary: Vocabulary) -> Mapping[str, Iterable[str]]:
    """Return the known values of attributes by key."""
    return {
        "shape": TYPE_OF_SHAPE,
        "type": sorted(vocabulary.types or TYPE_OF_SHAPE.values()),
        "condition": _CONDITIONS,
        "fidelity": FIDELITIES,
        "default_fidelity": FIDELITIES,
        "llm_model": sorted(vocabulary.models or ()),
        "llm_provider": sorted(vocabulary.providers or ()),
        "backend": sorted(vocabulary.backends or ()),
        "agent": sorted(vocabulary.agents or ()),
    }


def _of_type(row: KnownAttribute | None) -> Iterable[str]:
    if row is None:
        return ()
    return ("true", "false") if row.type is AttributeType.BOOLEAN else row.choices

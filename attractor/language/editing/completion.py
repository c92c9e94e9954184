"""Proposes what could stand where the cursor is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.attributes import (
    ATTRIBUTES,
    FIDELITIES,
    AttributeType,
    KnownAttribute,
    Place,
)
from attractor.language.editing.cursor import Cursor, Writing
from attractor.language.editing.meanings import meaning_of
from attractor.language.editing.names import NAMING_KEYS
from attractor.language.shapes import TYPE_OF_SHAPE
from attractor.language.vocabulary import Vocabulary
from attractor.language.words import written_word


class Sort(Enum):
    """What a proposal is, so that an editor can show a sign for it."""

    NODE = auto()
    KEY = auto()
    VALUE = auto()
    WORD = auto()


class Proposal(NamedTuple):
    """A word that could stand there, and what it means."""

    text: str
    sort: Sort
    detail: str = ""
    documentation: str = ""


_WORDS = ("node", "edge", "graph", "subgraph")
_CONDITIONS = ("outcome=success", "outcome=fail", "outcome=partial_success", "outcome!=success")


def propose(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Sequence[Proposal]:
    """Return what could stand at the cursor, in the order in which it is best shown."""
    match cursor.writing:
        case Writing.KEY:
            return list(_keys(cursor.place))
        case Writing.VALUE:
            return list(_values(cursor, nodes, vocabulary))
        case Writing.TARGET:
            return list(_nodes(nodes))
        case Writing.STATEMENT:
            words = (Proposal(word, Sort.WORD) for word in _WORDS)
            return [*_nodes(nodes), *words, *_keys(Place.GRAPH)]
        case Writing.NOTHING:
            return []


def described(row: KnownAttribute) -> str:
    """Say of an attribute what it is, in Markdown."""
    lines = [row.sentence]
    if row.choices:
        lines.append("One of " + ", ".join(f"`{one}`" for one in row.choices) + ".")
    lines.append(f"Stands on {' and '.join(row.places)}; of type {row.type}.")
    if row.default:
        lines.append(f"By default: {row.default}.")
    return "\n\n".join(lines)


def _keys(place: Place) -> Iterator[Proposal]:
    for row in ATTRIBUTES.values():
        if place in row.places and not row.alias_of:
            yield Proposal(row.name, Sort.KEY, str(row.type), described(row))


def _nodes(nodes: Iterable[str]) -> Iterator[Proposal]:
    for id_ in dict.fromkeys(nodes):
        yield Proposal(written_word(id_), Sort.NODE, "node")


def _values(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Iterator[Proposal]:
    if cursor.key in NAMING_KEYS:
        yield from _nodes(nodes)
        return
    row = ATTRIBUTES.get(cursor.key)
    words = _named(vocabulary).get(cursor.key) or _of_type(row)
    for word in words:
        text = word if cursor.is_quoted else written_word(word)
        detail = TYPE_OF_SHAPE.get(word, "") if cursor.key == "shape" else ""
        yield Proposal(text, Sort.VALUE, detail, meaning_of(cursor.key, word))


def _named(vocabulary: Vocabulary) -> Mapping[str, Iterable[str]]:
    """Return the words for the attributes whose values are names."""
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

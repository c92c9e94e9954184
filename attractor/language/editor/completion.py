"""Proposes what could stand where the cursor is.

Tells what is being written where the cursor stands.

Says what stands under the cursor, in Markdown.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic
from attractor.language.editor.analysis import NAMING_KEYS, meaning_of, named_at, occurrences
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.fidelity import FIDELITIES
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph, Node
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.parsing.tokens import Findings, scan
from attractor.language.source.syntax_tree import Span, Value
from attractor.language.source.text import Source, written_word

_PIECE = re.compile(
    r"""" [^"\\]* (?: \\. [^"\\]* )* (?: " | \Z )
      | (?P<comment> // [^\n]* (?P<line_end> \n )? | /\* .*? (?: \*/ | \Z ) )
      | (?P<sign> [\[\]{};,] )""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r'\s*"?(?P<key>[\w.]+)"?\s*=\s*(?P<quote>"?)(?P<value>[^"]*)\Z', re.DOTALL)
_WORD = re.compile(r"[\w.-]*\Z")
_EDGE = re.compile(r'->\s*(?:"[^"]*"|[\w:]+)\s*\Z')
_HEADS = {"graph": AttributeOwner.GRAPH, "node": AttributeOwner.NODE, "edge": AttributeOwner.EDGE}


class Writing(Enum):
    """What is being written."""

    NOTHING = auto()
    STATEMENT = auto()
    TARGET = auto()
    KEY = auto()
    VALUE = auto()


class Cursor(NamedTuple):
    """What is being written, on what, and how much of it stands there already."""

    writing: Writing
    place: AttributeOwner = AttributeOwner.GRAPH
    key: str = ""
    begun: str = ""
    is_quoted: bool = False


class _Open(NamedTuple):
    """Where the statement began that the cursor is in, and the part of its list."""

    statement: int = 0
    bracket: int = -1
    part: int = 0

    @property
    def is_list(self) -> bool:
        return self.bracket >= 0


def cursor_at(text: str, offset: int) -> Cursor:
    """Return what is being written at an offset."""
    before = text[:offset]
    open_ = _Open()
    for found in _PIECE.finditer(before):
        if found["comment"] and _is_unfinished(found):
            return Cursor(Writing.NOTHING)
        if found["sign"]:
            open_ = _behind(open_, found["sign"], found.start(), found.end())
    if open_.is_list:
        return _in_list(before[open_.part :], _place(before[open_.statement : open_.bracket]))
    return _outside(before[open_.statement :])


def _is_unfinished(found: re.Match[str]) -> bool:
    return not (found["line_end"] or found["comment"].endswith("*/"))


def _behind(open_: _Open, sign: str, start: int, end: int) -> _Open:
    match sign:
        case "[":
            return _Open(open_.statement, start, end)
        case "]" | "{" | "}":
            return _Open(statement=end)
        case "," | ";" if open_.is_list:
            return open_._replace(part=end)
        case ";":
            return _Open(statement=end)
        case _:
            return open_


def _place(head: str) -> AttributeOwner:
    """Tell what a list stands on by the words before it."""
    if _EDGE.search(head):
        return AttributeOwner.EDGE
    words = head.split()
    return _HEADS.get(words[-1], AttributeOwner.NODE) if words else AttributeOwner.NODE


def _in_list(part: str, place: AttributeOwner) -> Cursor:
    return _value(part, place) or Cursor(Writing.KEY, place, begun=_begun(part))


def _outside(statement: str) -> Cursor:
    line = statement[statement.rfind("\n") + 1 :]
    if value := _value(line, AttributeOwner.GRAPH):
        return value
    if statement.count('"') % 2:
        return Cursor(Writing.NOTHING)
    begun = _begun(statement)
    is_target = statement[: len(statement) - len(begun)].rstrip().endswith("->")
    return Cursor(Writing.TARGET if is_target else Writing.STATEMENT, begun=begun)


def _value(part: str, place: AttributeOwner) -> Cursor | None:
    found = _KEY.match(part)
    if found is None:
        return None
    return Cursor(Writing.VALUE, place, found["key"], found["value"], bool(found["quote"]))


def _begun(part: str) -> str:
    found = _WORD.search(part)
    return found[0] if found else ""


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
            return [*_nodes(nodes), *words, *_keys(AttributeOwner.GRAPH)]
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


def _keys(place: AttributeOwner) -> Iterator[Proposal]:
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


_LONGEST = 600


class Hover(NamedTuple):
    """What is to be said, and of what part of the text."""

    text: str
    span: Span


def hover(
    source: Source,
    line: int,
    column: int,
    *,
    graph: Graph | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    page: Callable[[str], str] = lambda rule: "",
) -> Hover | None:
    """Return the page of the rule that speaks there, of the attribute or its value, or the node."""
    place = line, column
    for one in diagnostics:
        if _holds(one.span, place) and page(one.rule):
            return Hover(f"**{one.rule}**\n\n{page(one.rule)}", one.span)
    return _attribute(source, place) or _node(source, place, graph)


def _attribute(source: Source, place: tuple[int, int]) -> Hover | None:
    for token in scan(Findings(source)):
        for attribute in token.attributes:
            row = ATTRIBUTES.get(attribute.key)
            if row and _holds(attribute.span, place):
                return Hover(f"**{row.name}**\n\n{described(row)}", attribute.span)
            if row and _holds(attribute.value.span, place):
                return _hovering_value(row, attribute.value)
    return None


def _hovering_value(row: KnownAttribute, value: Value) -> Hover | None:
    """Say what a value means, unless its words are the author's own."""
    meaning = meaning_of(row.alias_of or row.name, str(value))
    if not meaning:
        return None
    return Hover(f"**{value}** ({row.name})\n\n{meaning}", value.span)


def _node(source: Source, place: tuple[int, int], graph: Graph | None) -> Hover | None:
    named = named_at(occurrences(source), *place)
    node = graph.nodes.get(named.id) if graph and named else None
    return Hover(_told(node), named.span) if named and node else None


def _told(node: Node) -> str:
    lines: Iterable[str] = [f"**{node.id}** ({node.type})", node.label, node.prompt[:_LONGEST]]
    return "\n\n".join(dict.fromkeys(one for one in lines if one))


def _holds(span: Span, place: tuple[int, int]) -> bool:
    return (span.line, span.column) <= place <= (span.end_line, span.end_column)

"""Proposes completions at the cursor, and describes the element at the cursor in Markdown."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic
from attractor.language.editor.analysis import named_at, occurrences
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    NAMING_KEYS,
    AttributeOwner,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.graph import FIDELITIES, TYPE_OF_SHAPE, Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.parsing.tokens import Findings, scan
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source, written_word

TYPE_MEANINGS: Mapping[str, str] = {
    "start": "Starts the pipeline.",
    "exit": "Ends the pipeline, after checking that all visited goal gates succeeded.",
    "codergen": "Runs a coding agent with the prompt.",
    "prompt": "Sends the prompt to a model, without tools.",
    "tool": "Runs the shell command `tool_command`.",
    "wait.human": "Asks a person to choose one of the outgoing edges.",
    "wait": "Waits for a `duration`, or `until` a point in time.",
    "conditional": "Only chooses the next edge, by the conditions on its edges.",
    "parallel": "Runs a branch for each outgoing edge, all at the same time.",
    "parallel.fan_in": "Waits for the branches of a parallel node and selects the best one.",
    "for_each": "Runs the same branch for each item of a list.",
    "pipeline": "Runs another pipeline as one stage.",
    "stack.manager_loop": "Runs another pipeline, checks its progress at intervals, and steers it.",
    "scenarios": "Plays the train scenarios of the run's suite on the current files.",
    "import": "Is replaced by the nodes of another file.",
}
"""The meanings of node types."""

FIDELITY_MEANINGS: Mapping[str, str] = {
    "full": "Continues the session of the same thread, with its whole conversation.",
    "truncate": "Starts a new session with only the goal and the run id.",
    "compact": "Starts a new session with a list of completed stages, their outcomes and key "
    "values.",
    "summary:low": "Starts a new session with a brief summary of about 600 tokens.",
    "summary:medium": "Starts a new session with a summary of recent outcomes of about 1500 "
    "tokens.",
    "summary:high": "Starts a new session with a detailed summary of about 3000 tokens.",
}
"""The meanings of fidelities."""


def meaning_of(key: str, value: str) -> str:
    """Return the meaning of a value, or "" for free text."""
    match key:
        case "shape":
            type_ = TYPE_OF_SHAPE.get(value, "")
            return f"Node type `{type_}`. {TYPE_MEANINGS[type_]}" if type_ else ""
        case "type":
            return TYPE_MEANINGS.get(value, "")
        case "fidelity" | "default_fidelity":
            return FIDELITY_MEANINGS.get(value, "")
        case _:
            row = ATTRIBUTES.get(key)
            if row is None:
                return ""
            return row.sentence if value in _choices_of(row) else ""


def _choices_of(row: KnownAttribute) -> Sequence[str]:
    return ("true", "false") if row.type is AttributeType.BOOLEAN else row.choices


def describe_attribute(row: KnownAttribute) -> str:
    """Describe an attribute in Markdown."""
    lines = [row.sentence]
    if row.choices:
        lines.append("One of " + ", ".join(f"`{choice}`" for choice in row.choices) + ".")
    lines.append(f"Allowed on {' and '.join(row.places)}. Type: {row.type}.")
    if row.default:
        lines.append(f"Default: {row.default}.")
    return "\n\n".join(lines)


_LONGEST = 600


class Hover(NamedTuple):
    """A Markdown text and the span that it describes."""

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
    """Describe the element at a position: a diagnostic's rule, an attribute, a value or a node."""
    place = line, column
    for diagnostic in diagnostics:
        if diagnostic.span.contains(*place) and page(diagnostic.rule):
            return Hover(f"**{diagnostic.rule}**\n\n{page(diagnostic.rule)}", diagnostic.span)
    if found := _attribute(source, place):
        return found
    named = named_at(occurrences(source), *place)
    node = graph.nodes.get(named.id) if graph and named else None
    if named is None or node is None:
        return None
    parts = [f"**{node.id}** ({node.type})", node.label, node.prompt[:_LONGEST]]
    return Hover("\n\n".join(dict.fromkeys(filter(None, parts))), named.span)


def _attribute(source: Source, place: tuple[int, int]) -> Hover | None:
    for token in scan(Findings(source)):
        for attribute in token.attributes:
            row, value = ATTRIBUTES.get(attribute.key), attribute.value
            if row and attribute.span.contains(*place):
                return Hover(f"**{row.name}**\n\n{describe_attribute(row)}", attribute.span)
            if row and value.span.contains(*place):
                # Free text has no meaning.
                meaning = meaning_of(row.alias_of or row.name, str(value))
                text = f"**{value}** ({row.name})\n\n{meaning}"
                return Hover(text, value.span) if meaning else None
    return None


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


class CursorKind(Enum):
    """The kinds of text at the cursor."""

    NOTHING = auto()
    STATEMENT = auto()
    TARGET = auto()
    KEY = auto()
    VALUE = auto()


class Cursor(NamedTuple):
    """The kind, the owner and the beginning of the text at the cursor."""

    writing: CursorKind
    place: AttributeOwner = AttributeOwner.GRAPH
    key: str = ""
    begun: str = ""
    is_quoted: bool = False


class _Open(NamedTuple):
    """The start of the statement at the cursor, and the current part of its attribute list."""

    statement: int = 0
    bracket: int = -1
    part: int = 0

    @property
    def is_list(self) -> bool:
        return self.bracket >= 0


def cursor_at(text: str, offset: int) -> Cursor:
    """Return the kind of text at an offset."""
    before = text[:offset]
    open_ = _Open()
    for found in _PIECE.finditer(before):
        if found["comment"] and not (found["line_end"] or found["comment"].endswith("*/")):
            return Cursor(CursorKind.NOTHING)
        if found["sign"]:
            open_ = _behind(open_, found["sign"], found.start(), found.end())
    if open_.is_list:
        place, part = _place(before[open_.statement : open_.bracket]), before[open_.part :]
        key = Cursor(CursorKind.KEY, place, begun=_begun(part))
        return _cursor_value(part, place) or key
    return _outside(before[open_.statement :])


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
    """Return the owner of a list by the words before it."""
    if _EDGE.search(head):
        return AttributeOwner.EDGE
    words = head.split()
    return _HEADS.get(words[-1], AttributeOwner.NODE) if words else AttributeOwner.NODE


def _outside(statement: str) -> Cursor:
    line = statement[statement.rfind("\n") + 1 :]
    if value := _cursor_value(line, AttributeOwner.GRAPH):
        return value
    if statement.count('"') % 2:
        return Cursor(CursorKind.NOTHING)
    begun = _begun(statement)
    is_target = statement[: len(statement) - len(begun)].rstrip().endswith("->")
    return Cursor(CursorKind.TARGET if is_target else CursorKind.STATEMENT, begun=begun)


def _cursor_value(part: str, place: AttributeOwner) -> Cursor | None:
    found = _KEY.match(part)
    if found is None:
        return None
    return Cursor(CursorKind.VALUE, place, found["key"], found["value"], bool(found["quote"]))


def _begun(part: str) -> str:
    found = _WORD.search(part)
    return found[0] if found else ""


class ProposalKind(Enum):
    """The kinds of proposals, for icons in an editor."""

    NODE = auto()
    KEY = auto()
    VALUE = auto()
    WORD = auto()


class ProposedWord(NamedTuple):
    """A proposed word and its meaning."""

    text: str
    sort: ProposalKind
    detail: str = ""
    documentation: str = ""


_WORDS = ("node", "edge", "graph", "subgraph")
_CONDITIONS = ("outcome=success", "outcome=fail", "outcome=partial_success", "outcome!=success")


def propose(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Sequence[ProposedWord]:
    """Return proposals for the cursor, best first."""
    match cursor.writing:
        case CursorKind.KEY:
            return list(_keys(cursor.place))
        case CursorKind.VALUE:
            return list(_values(cursor, nodes, vocabulary))
        case CursorKind.TARGET:
            return list(_nodes(nodes))
        case CursorKind.STATEMENT:
            words = (ProposedWord(word, ProposalKind.WORD) for word in _WORDS)
            return [*_nodes(nodes), *words, *_keys(AttributeOwner.GRAPH)]
        case CursorKind.NOTHING:
            return []


def _keys(place: AttributeOwner) -> Iterator[ProposedWord]:
    for row in ATTRIBUTES.values():
        if place in row.places and not row.alias_of:
            yield ProposedWord(row.name, ProposalKind.KEY, str(row.type), describe_attribute(row))


def _nodes(nodes: Iterable[str]) -> Iterator[ProposedWord]:
    for id_ in dict.fromkeys(nodes):
        yield ProposedWord(written_word(id_), ProposalKind.NODE, "node")


def _values(cursor: Cursor, nodes: Iterable[str], vocabulary: Vocabulary) -> Iterator[ProposedWord]:
    if cursor.key in NAMING_KEYS:
        yield from _nodes(nodes)
        return
    row = ATTRIBUTES.get(cursor.key)
    named: Mapping[str, Iterable[str]] = {
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
    for word in named.get(cursor.key) or (_choices_of(row) if row else ()):
        text = word if cursor.is_quoted else written_word(word)
        detail = TYPE_OF_SHAPE.get(word, "") if cursor.key == "shape" else ""
        yield ProposedWord(text, ProposalKind.VALUE, detail, meaning_of(cursor.key, word))

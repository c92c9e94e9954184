"""Analyzes and edits a text in an editor, even if it is invalid: names, diagnostics, outline."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import field, replace
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.graph.attribute_catalogue import NAMING_KEYS
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import Level, Levels
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.preparation.prepare import Files, Prepared, prepare
from attractor.language.reading import read_graph
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import TEXT_OR_COMMENT, Source, written_word

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
        for attribute in token.attributes:
            text = str(attribute.value)
            if attribute.key in NAMING_KEYS and text:
                found.append(Occurrence(text, attribute.value.span, Role.IN_AN_ATTRIBUTE))
        if token.id is not None and at in roles:
            found.append(Occurrence(token.id.text, token.id.span, roles[at]))
    return found


def roles_of(tokens: Sequence[Token]) -> Iterator[tuple[int, Role]]:
    """Yield the indexes of tokens that are node ids, with their roles."""
    inside = False
    for at, token in enumerate(tokens):
        inside = inside or token.type == "_OPEN"
        if not inside or token.type != "ID" or token.id is None:
            continue
        # A key of an unclosed list is no node.
        is_key = tokens[at + 1].type == "OTHER"
        if tokens[at - 1].type in _NO_NODE_BEHIND or is_key:
            continue
        behind = at + 1
        while tokens[behind].type == "_COLON" and tokens[behind + 1].type == "ID":
            behind += 2
        is_on_edge = "_ARROW" in (tokens[at - 1].type, tokens[behind].type)
        yield at, Role.ON_AN_EDGE if is_on_edge else Role.DECLARED


def declaration(id_: str, found: Sequence[Occurrence]) -> Occurrence | None:
    """Return the declaration of a node, otherwise the first edge that names the node."""
    places = [name for name in found if name.id == id_ and name.role is not Role.IN_AN_ATTRIBUTE]
    return min(places, key=lambda name: (name.role is not Role.DECLARED, name.span), default=None)


def named_at(found: Sequence[Occurrence], line: int, column: int) -> Occurrence | None:
    """Return the name at a position."""
    return next((name for name in found if name.span.contains(line, column)), None)


@dataclass(frozen=True)
class Analysis:
    """A text with its graph (unless invalid), diagnostics and names.

    Each part is computed on first use, because the text may change before the part is needed.
    `check` adds errors that only a run finds.
    """

    source: Source
    vocabulary: Vocabulary
    files: Files | None = None
    levels: Levels = field(default_factory=dict[str, Level])
    check: Callable[[Prepared], Prepared] | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph after its transforms."""
        return self._prepared.graph

    @cached_property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """The diagnostics of this text, without diagnostics of imported texts."""
        found = self._prepared.diagnostics
        return tuple(one for one in found if one.span.file == self.source.file)

    @cached_property
    def names(self) -> Sequence[Occurrence]:
        """All positions where nodes are named."""
        return occurrences(self.source)

    @cached_property
    def words(self) -> Vocabulary:
        """The known names; without a list of models, the models in use."""
        if self.vocabulary.models is not None or self.readable is None:
            return self.vocabulary
        nodes = self.readable.nodes.values()
        used = {node.attributes.text("llm_model") for node in nodes} - {""}
        return replace(self.vocabulary, models=used)

    @cached_property
    def readable(self) -> Graph | None:
        """The graph, or the graph of the valid part of the text."""
        return self.graph or read_graph(self.source).readable

    @cached_property
    def _prepared(self) -> Prepared:
        prepared = prepare(
            self.source.text,
            file=self.source.file,
            files=self.files,
            vocabulary=self.vocabulary,
            levels=self.levels,
        )
        return self.check(prepared) if self.check else prepared


def silence_rule(source: Source, diagnostic: Diagnostic) -> Edit | None:
    """Return the edit that adds an ignore comment after the line, otherwise before the line.

    The result is None within a multi-line text.
    """
    line = diagnostic.span.line
    if line < 1:
        return None
    comment = f"// attractor: ignore[{diagnostic.rule}]"
    end = len(source.line(line)) + 1
    if not _is_inside(source, source.offset(line, end)):
        return Edit(Span(source.file, line, end, line, end), f"  {comment}")
    if not _is_inside(source, source.offset(line, 1)):
        written = source.line(line)
        margin = written[: len(written) - len(written.lstrip())]
        return Edit(Span(source.file, line, 1, line, 1), f"{margin}{comment}\n")
    return None


def _is_inside(source: Source, offset: int) -> bool:
    """Return whether an offset is inside of a string or comment."""
    for found in TEXT_OR_COMMENT.finditer(source.text):
        if found.start() >= offset:
            return False
        # At the end of a line comment no new comment can begin.
        if offset < found.end() or (offset == found.end() and found[0].startswith("//")):
            return True
    return False


def rename_node(source: Source, line: int, column: int, new: str) -> Sequence[Edit]:
    """Return the edits that rename the node at a position."""
    found = occurrences(source)
    named = named_at(found, line, column)
    if named is None:
        raise UsageError("no node at this position", hint="put the cursor on the id of a node")
    if not new.strip():
        raise UsageError("a node needs an id", hint="write letters, digits and _")
    if new != named.id and any(name.id == new for name in found):
        raise UsageError(f"node {new!r} already exists", hint="choose another id")
    return [Edit(name.span, written_word(new)) for name in found if name.id == named.id]


# Editors recurse for each level.
_DEEPEST = 40


@dataclass
class OutlineSymbol:
    """A node or subgraph with its nested symbols, and the spans of the statement and the name."""

    name: str
    span: Span
    name_span: Span
    detail: str = ""
    is_subgraph: bool = False
    children: list["OutlineSymbol"] = field(default_factory=list["OutlineSymbol"])


def outline_symbols(source: Source, graph: Graph | None = None) -> Sequence[OutlineSymbol]:
    """Return the top-level symbols of a text, with node types from the graph.

    A node is listed at its first declaration, otherwise at the first edge that names the node.
    """
    outline = _Outline(source, graph)
    outline.read()
    return outline.top


class _Outline:
    """One walk over the tokens of a text, with the open subgraphs."""

    def __init__(self, source: Source, graph: Graph | None) -> None:
        self.top: list[OutlineSymbol] = []
        self._source = source
        self._graph = graph
        self._tokens = list(scan(Findings(source)))
        self._open: list[OutlineSymbol] = []

    def read(self) -> None:
        homes = _homes(self._tokens)
        is_inside = False
        for at, token in enumerate(self._tokens):
            if token.type == "_OPEN" and is_inside:
                self._begin(at)
            elif token.type in ("_CLOSE", END):
                self._end(token)
            elif at in homes:
                self._within.append(self._node(at))
            elif self._open:
                self._name(at)
            is_inside = is_inside or token.type == "_OPEN"

    @property
    def _within(self) -> list[OutlineSymbol]:
        return self._open[:_DEEPEST][-1].children if self._open else self.top

    def _begin(self, at: int) -> None:
        """Begin a subgraph at its brace, after an optional keyword and id."""
        head = self._tokens[max(0, at - 2) : at]
        word = next((token for token in head if token.type == "SUBGRAPH"), self._tokens[at])
        name = self._tokens[at - 1] if head and head[0] is word and len(head) == 2 else word
        text = name.id.text if name.id and name is not word else "subgraph"
        box = OutlineSymbol(text, self._span(word, word), self._span(name, name), is_subgraph=True)
        self._within.append(box)
        self._open.append(box)

    def _end(self, token: Token) -> None:
        """End the subgraph, or all unclosed subgraphs."""
        for _ in range(len(self._open) if token.type == END else 1):
            if self._open:
                box, end = self._open.pop(), self._span(token, token)
                box.detail = number_of(sum(not child.is_subgraph for child in box.children), "node")
                box.span = box.span._replace(end_line=end.end_line, end_column=end.end_column)

    def _name(self, at: int) -> None:
        """Name the open subgraph by its label: `label=...` or `graph [label=...]`."""
        token = self._tokens[at]
        is_own = token.type == "ATTRIBUTE" or self._tokens[at - 1].type == "GRAPH"
        for attribute in token.attributes if is_own else ():
            if attribute.key == "label" and str(attribute.value):
                self._open[-1].name = str(attribute.value)

    def _node(self, at: int) -> OutlineSymbol:
        token = last = self._tokens[at]
        id_ = token.id.text if token.id else ""
        while self._tokens[at + 1].type == "ATTRIBUTES":
            last, at = self._tokens[at + 1], at + 1
        node = self._graph.nodes.get(id_) if self._graph else None
        detail = node.type if node else ""
        if node and node.label != id_:
            detail += f" {node.label}"
        return OutlineSymbol(id_, self._span(token, last), self._span(token, token), detail)

    def _span(self, first: Token, last: Token) -> Span:
        return self._source.span(first.start, last.end)


def _homes(tokens: Sequence[Token]) -> Set[int]:
    """Return the index of one token for each node.

    The token is in the declaration of the node, otherwise in the first edge that names the node.
    """
    best: dict[str, tuple[bool, int]] = {}
    for at, role in roles_of(tokens):
        id_ = tokens[at].id
        if id_ is not None:
            place = role is not Role.DECLARED, at
            best[id_.text] = min(best.get(id_.text, place), place)
    return {at for _, at in best.values()}

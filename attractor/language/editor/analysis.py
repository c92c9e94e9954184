"""What is known of a text as it stands in an editor.

Finds where the nodes of a text are named, also in a text with mistakes.

What a word means that stands as a value: the shapes, the types, and how much is told on.

Writes the comment that silences a rule on a line, where a comment may stand.

Gives a node another id, wherever the text names it.

Lists what a text declares, for an editor's outline; also of a text with mistakes.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import field, replace
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.language.diagnostic_output import counted
from attractor.language.diagnostics import Diagnostic, Edit
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeType
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.linting.validate import Level, Levels
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.preparation.transform import Files
from attractor.language.reading import read_graph
from attractor.language.source.syntax_tree import Attribute, Span
from attractor.language.source.text import TEXT_OR_COMMENT, Source, written_word

NAMING_KEYS = frozenset({"retry_target", "fallback_retry_target", "human.default_choice"})
"""The attributes whose value is the id of a node."""

_NO_NODE_BEHIND = frozenset({"SUBGRAPH", "_COLON", "DIGRAPH"})


class Role(Enum):
    """What a name is there for."""

    DECLARED = auto()
    ON_AN_EDGE = auto()
    IN_AN_ATTRIBUTE = auto()


class Occurrence(NamedTuple):
    """A place where a node is named."""

    id: str
    span: Span
    role: Role


def occurrences(source: Source) -> Sequence[Occurrence]:
    """Return every place where a node is named, in the order of the text."""
    tokens = list(scan(Findings(source)))
    roles = dict(roles_of(tokens))
    found: list[Occurrence] = []
    for at, token in enumerate(tokens):
        found += _in_attributes(token.attributes)
        if token.id is not None and at in roles:
            found.append(Occurrence(token.id.text, token.id.span, roles[at]))
    return found


def roles_of(tokens: Sequence[Token]) -> Iterator[tuple[int, Role]]:
    """Yield the places of the tokens that are ids of nodes, and what each is there for."""
    inside = False
    for at, token in enumerate(tokens):
        inside = inside or token.type == "_OPEN"
        if inside and token.id is not None and _is_node(tokens, at):
            yield at, _role(tokens, at)


def declaration(id_: str, found: Sequence[Occurrence]) -> Occurrence | None:
    """Return where a node is declared; where the first edge names it when nothing declares it."""
    places = [one for one in found if one.id == id_ and one.role is not Role.IN_AN_ATTRIBUTE]
    return min(places, key=lambda one: (one.role is not Role.DECLARED, one.span), default=None)


def named_at(found: Sequence[Occurrence], line: int, column: int) -> Occurrence | None:
    """Return what is named at a place."""
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
    """Tell whether a token is the id of a node; in a list that is never closed keys look alike."""
    is_key = tokens[at + 1].type == "OTHER"
    return tokens[at].type == "ID" and tokens[at - 1].type not in _NO_NODE_BEHIND and not is_key


def _role(tokens: Sequence[Token], at: int) -> Role:
    behind = at + 1
    while tokens[behind].type == "_COLON" and tokens[behind + 1].type == "ID":
        behind += 2
    is_on_edge = "_ARROW" in (tokens[at - 1].type, tokens[behind].type)
    return Role.ON_AN_EDGE if is_on_edge else Role.DECLARED


@dataclass(frozen=True)
class Analysis:
    """A text with its graph, unless it is broken, and what is wrong with it.

    Each is found out when it is first asked for: the next letter may be typed already.
    """

    source: Source
    vocabulary: Vocabulary
    files: Files | None = None
    levels: Levels = field(default_factory=dict[str, Level])

    @property
    def graph(self) -> Graph | None:
        """The graph after its transforms."""
        return self._prepared.graph

    @cached_property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What is wrong with this text, and not with another that it imports."""
        found = self._prepared.diagnostics
        return tuple(one for one in found if one.span.file == self.source.file)

    @cached_property
    def names(self) -> Sequence[Occurrence]:
        """Every place where a node is named."""
        return occurrences(self.source)

    @cached_property
    def words(self) -> Vocabulary:
        """The names that are known; where nothing says which models there are, those in use."""
        if self.vocabulary.models is not None or self.readable is None:
            return self.vocabulary
        nodes = self.readable.nodes.values()
        used = {node.attributes.text("llm_model") for node in nodes} - {""}
        return replace(self.vocabulary, models=used)

    @cached_property
    def readable(self) -> Graph | None:
        """The graph, or what can be read of it."""
        return self.graph or read_graph(self.source).readable

    @cached_property
    def _prepared(self) -> Prepared:
        return prepare(
            self.source.text,
            file=self.source.file,
            files=self.files,
            vocabulary=self.vocabulary,
            levels=self.levels,
        )


OF_TYPE: Mapping[str, str] = {
    "start": "The pipeline begins here.",
    "exit": "The pipeline ends here, once every goal gate holds.",
    "codergen": "A coding agent does what the prompt says.",
    "prompt": "A model answers the prompt in words, without tools.",
    "tool": "A shell command is run: `tool_command`.",
    "wait.human": "A person chooses the way on by the labels of the edges.",
    "wait": "The walk waits: for a `duration`, or `until` a moment.",
    "conditional": "Conditions on the edges choose the way on; nothing is done.",
    "parallel": "Every way out becomes a branch, and the branches run at the same time.",
    "parallel.fan_in": "Branches meet here, and one of them is chosen.",
    "for_each": "The same branch is walked for each item of a list.",
    "pipeline": "Another pipeline is run as one stage.",
    "stack.manager_loop": "Another pipeline is run, looked at in cycles, and steered.",
    "import": "The nodes of another file take the place of this one.",
}
"""What is done at a node of a type."""

OF_FIDELITY: Mapping[str, str] = {
    "full": "The session of the same thread goes on, with all that was said in it.",
    "truncate": "A fresh session that is told the goal and the run, and no more.",
    "compact": "A fresh session with a list of the stages done, their outcomes and key values.",
    "summary:low": "A fresh session with a brief summary, of some 600 tokens.",
    "summary:medium": "A fresh session with a summary of recent outcomes, of some 1500 tokens.",
    "summary:high": "A fresh session with a detailed summary, of some 3000 tokens.",
}
"""How much of what came before a stage is told."""


def meaning_of(key: str, value: str) -> str:
    """Return what a value of an attribute means; nothing for words that are anybody's own."""
    match key:
        case "shape":
            type_ = TYPE_OF_SHAPE.get(value, "")
            return f"A node of type `{type_}`. {OF_TYPE[type_]}" if type_ else ""
        case "type":
            return OF_TYPE.get(value, "")
        case "fidelity" | "default_fidelity":
            return OF_FIDELITY.get(value, "")
        case _:
            row = ATTRIBUTES.get(key)
            if row is None:
                return ""
            is_choice = value in row.choices or _is_truth(row.type, value)
            return row.sentence if is_choice else ""


def _is_truth(type_: AttributeType, value: str) -> bool:
    return type_ is AttributeType.BOOLEAN and value in ("true", "false")


def silence(source: Source, diagnostic: Diagnostic) -> Edit | None:
    """Return the comment: behind the line, else above it; none where a text goes over both ends."""
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
    """Tell whether an offset lies within a text or a comment, where a comment would be none."""
    for found in TEXT_OR_COMMENT.finditer(source.text):
        if found.start() >= offset:
            return False
        # Behind a comment of one line, and at its end, nothing begins a comment anew.
        if offset < found.end() or (offset == found.end() and found[0].startswith("//")):
            return True
    return False


def rename(source: Source, line: int, column: int, new: str) -> Sequence[Edit]:
    """Return the changes that call the node at a place otherwise."""
    found = occurrences(source)
    named = named_at(found, line, column)
    if named is None:
        raise UsageError("there is no node here", hint="put the cursor on the id of a node")
    if not new.strip():
        raise UsageError("a node needs an id", hint="write letters, digits and _")
    if new != named.id and any(one.id == new for one in found):
        raise UsageError(f"there is a node {new!r} already", hint="choose another id")
    return [Edit(one.span, written_word(new)) for one in found if one.id == named.id]


# Nobody sees more levels, and who reads them calls itself for each.
_DEEPEST = 40


@dataclass
class Symbol:
    """A node or a subgraph: its whole statement, the name in it, and what stands within."""

    name: str
    span: Span
    name_span: Span
    detail: str = ""
    is_subgraph: bool = False
    children: list["Symbol"] = field(default_factory=list["Symbol"])


def symbols(source: Source, graph: Graph | None = None) -> Sequence[Symbol]:
    """Return what stands right in a text; the graph says what its nodes are.

    A node stands where it is first declared, else where an edge first names it.
    """
    outline = _Outline(source, graph)
    outline.read()
    return outline.top


class _Outline:
    """One walk over the tokens of a text, with the subgraphs that are open."""

    def __init__(self, source: Source, graph: Graph | None) -> None:
        self.top: list[Symbol] = []
        self._source = source
        self._graph = graph
        self._tokens = list(scan(Findings(source)))
        self._open: list[Symbol] = []

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
    def _within(self) -> list[Symbol]:
        return self._open[:_DEEPEST][-1].children if self._open else self.top

    def _begin(self, at: int) -> None:
        """Begin a subgraph at its brace; before it may stand the word, and before that the id."""
        head = self._tokens[max(0, at - 2) : at]
        word = next((one for one in head if one.type == "SUBGRAPH"), self._tokens[at])
        name = self._tokens[at - 1] if head and head[0] is word and len(head) == 2 else word
        said = name.id.text if name.id and name is not word else "subgraph"
        box = Symbol(said, self._span(word, word), self._span(name, name), is_subgraph=True)
        self._within.append(box)
        self._open.append(box)

    def _end(self, token: Token) -> None:
        """End the subgraph, or all that are never closed."""
        for _ in range(len(self._open) if token.type == END else 1):
            if self._open:
                box, end = self._open.pop(), self._span(token, token)
                box.detail = counted(sum(not one.is_subgraph for one in box.children), "node")
                box.span = box.span._replace(end_line=end.end_line, end_column=end.end_column)

    def _name(self, at: int) -> None:
        """Call the open subgraph by its label: `label=...` or `graph [label=...]`."""
        token = self._tokens[at]
        is_own = token.type == "ATTRIBUTE" or self._tokens[at - 1].type == "GRAPH"
        for attribute in token.attributes if is_own else ():
            if attribute.key == "label" and str(attribute.value):
                self._open[-1].name = str(attribute.value)

    def _node(self, at: int) -> Symbol:
        token = last = self._tokens[at]
        id_ = token.id.text if token.id else ""
        while (one := self._tokens[at + 1]).type == "ATTRIBUTES":
            last, at = one, at + 1
        return Symbol(id_, self._span(token, last), self._span(token, token), self._detail(id_))

    def _detail(self, id_: str) -> str:
        node = self._graph.nodes.get(id_) if self._graph else None
        if node is None:
            return ""
        return f"{node.type} {node.label}" if node.label != id_ else node.type

    def _span(self, first: Token, last: Token) -> Span:
        return self._source.span(first.start, last.end)


def _homes(tokens: Sequence[Token]) -> Set[int]:
    """Return the places where the nodes stand, each once."""
    best: dict[str, tuple[bool, int]] = {}
    for at, role in roles_of(tokens):
        id_ = tokens[at].id
        if id_ is not None:
            place = role is not Role.DECLARED, at
            best[id_.text] = min(best.get(id_.text, place), place)
    return {at for _, at in best.values()}

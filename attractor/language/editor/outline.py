"""Lists the nodes and subgraphs of a text, also of an invalid one."""

from collections.abc import Sequence, Set
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostic_output import counted
from attractor.language.editor.occurrences import Role, roles_of
from attractor.language.graph.graph import Graph
from attractor.language.parsing.tokens import END, Findings, Token, scan
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source

# Editors recurse for each level.
_DEEPEST = 40


@dataclass
class OutlineSymbol:
    """A node or subgraph, with the spans of its statement and name, and its children."""

    name: str
    span: Span
    name_span: Span
    detail: str = ""
    is_subgraph: bool = False
    children: list["OutlineSymbol"] = field(default_factory=list["OutlineSymbol"])


def outline_symbols(source: Source, graph: Graph | None = None) -> Sequence[OutlineSymbol]:
    """Return the top-level symbols of a text, with node types from the graph.

    A node is listed at its first declaration, else at the first edge that names it.
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
        word = next((one for one in head if one.type == "SUBGRAPH"), self._tokens[at])
        name = self._tokens[at - 1] if head and head[0] is word and len(head) == 2 else word
        text = name.id.text if name.id and name is not word else "subgraph"
        box = OutlineSymbol(text, self._span(word, word), self._span(name, name), is_subgraph=True)
        self._within.append(box)
        self._open.append(box)

    def _end(self, token: Token) -> None:
        """End the subgraph, or all unclosed ones."""
        for _ in range(len(self._open) if token.type == END else 1):
            if self._open:
                box, end = self._open.pop(), self._span(token, token)
                box.detail = counted(sum(not one.is_subgraph for one in box.children), "node")
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
        while (one := self._tokens[at + 1]).type == "ATTRIBUTES":
            last, at = one, at + 1
        return OutlineSymbol(
            id_, self._span(token, last), self._span(token, token), self._detail(id_)
        )

    def _detail(self, id_: str) -> str:
        node = self._graph.nodes.get(id_) if self._graph else None
        if node is None:
            return ""
        return f"{node.type} {node.label}" if node.label != id_ else node.type

    def _span(self, first: Token, last: Token) -> Span:
        return self._source.span(first.start, last.end)


def _homes(tokens: Sequence[Token]) -> Set[int]:
    """Return the token indexes where nodes are listed, one for each node."""
    best: dict[str, tuple[bool, int]] = {}
    for at, role in roles_of(tokens):
        id_ = tokens[at].id
        if id_ is not None:
            place = role is not Role.DECLARED, at
            best[id_.text] = min(best.get(id_.text, place), place)
    return {at for _, at in best.values()}

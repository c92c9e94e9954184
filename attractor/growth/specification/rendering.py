"""Shows a specification to people: as diagrams, as an outline, and in one sentence.

The diagrams are a flowchart, a mindmap and a board, each with each node once (ruling G5).
"""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.growth.specification.document import SECTION
from attractor.growth.specification.graph import ROOT, Relation, SpecGraph, SpecNode
from attractor.growth.specification.node_kind import node_kinds
from attractor.growth.specification.store import StoredSpec
from attractor.language.drawing.draw import FONT, FONT_SIZE, TIME_LIMIT, draw_dot
from attractor.language.drawing.mermaid import escaped_line
from attractor.language.source.syntax_tree import quoted

_LONGEST = 120
_LINE = 36


class SpecView(StrEnum):
    """The views of a specification."""

    FLOWCHART = "flowchart"
    MINDMAP = "mindmap"
    BOARD = "board"


class Column(StrEnum):
    """The columns of a board."""

    BACKLOG = "Backlog"
    IN_PROGRESS = "In progress"
    REVIEW = "Review"
    DONE = "Done"


class DiagramFormat(StrEnum):
    """The formats of a diagram."""

    SVG = "svg"
    DOT = "dot"
    MERMAID = "mermaid"


@dataclass(frozen=True)
class Card:
    """A box of a board."""

    title: str
    column: Column


@dataclass(frozen=True)
class Line:
    """A line between two boxes, dotted if it has a label."""

    source: str
    target: str
    label: str = ""
    """The meaning of a dotted line."""


@dataclass(frozen=True)
class Diagram:
    """Boxes, some of them in groups, and lines between them."""

    direction: str
    boxes: Mapping[str, str]
    """The text of each box by name."""
    lines: Sequence[Line] = ()
    groups: Sequence[tuple[str, Sequence[str]]] = ()
    """The title and the boxes of each group."""
    head: str = "flowchart"

    def dot(self) -> str:
        """Return the diagram as DOT."""
        return "\n".join(["digraph {", *self._dot_lines(), "}", ""])

    def _dot_lines(self) -> Iterator[str]:
        yield f"  rankdir={'TB' if self.direction == 'TD' else self.direction}"
        font = f"fontname={quoted(FONT)}, fontsize={FONT_SIZE}"
        yield f"  node [shape=box, style=rounded, {font}]"
        yield f"  edge [{font}]"
        grouped = {box for _, boxes in self.groups for box in boxes}
        for number, (title, boxes) in enumerate(self.groups):
            yield f"  subgraph cluster_{number} {{"
            yield f"    label={quoted(title)}"
            for box in boxes:
                yield f"    {quoted(box)} [label={_wrapped(self.boxes[box])}]"
            yield "  }"
        for box, text in self.boxes.items():
            if box not in grouped:
                yield f"  {quoted(box)} [label={_wrapped(text)}]"
        for line in self.lines:
            style = f" [label={quoted(line.label)}, style=dashed]" if line.label else ""
            yield f"  {quoted(line.source)} -> {quoted(line.target)}{style}"

    def mermaid(self) -> str:
        """Return the diagram as a flowchart of Mermaid."""
        return "\n".join([f"{self.head} {self.direction}", *self._mermaid_lines(), ""])

    def _mermaid_lines(self) -> Iterator[str]:
        names = {box: box.replace(".", "__") for box in self.boxes}
        grouped = {box for _, boxes in self.groups for box in boxes}
        for title, boxes in self.groups:
            yield f"  subgraph {title}"
            yield from (f"    {names[box]}[{_label(self.boxes[box])}]" for box in boxes)
            yield "  end"
        for box, text in self.boxes.items():
            if box not in grouped:
                yield f"  {names[box]}[{_label(text)}]"
        for line in self.lines:
            arrow = f"-. {line.label} .->" if line.label else "-->"
            yield f"  {names[line.source]} {arrow} {names[line.target]}"


def _wrapped(text: str) -> str:
    return quoted("\n".join(textwrap.wrap(text, _LINE)) or text)


def _label(text: str) -> str:
    escaped = escaped_line(text)
    is_plain = escaped == text and all(one.isalnum() or one in " -'" for one in text)
    return text if is_plain else f'"{escaped}"'


def flowchart(graph: SpecGraph) -> Diagram:
    """Return the nodes with all their relations."""
    boxes = {node.id: _text(graph, node.id) for node in graph.below(ROOT)}
    lines = [
        Line(node.id, edge.to, "" if edge.relation in _PLAIN else edge.relation.value)
        for node in graph.below(ROOT)
        for edge in node.edges
    ]
    return Diagram("LR", boxes, lines)


_PLAIN = frozenset({Relation.CONTAINS, Relation.PRECEDES})


def mindmap(graph: SpecGraph) -> Diagram:
    """Return the nodes as a tree."""
    boxes = {node.id: _text(graph, node.id) for node in graph.below(ROOT)}
    lines = [Line(parent, child) for child, parent in graph.parents.items()]
    return Diagram("LR", boxes, lines)


def mindmap_mermaid(graph: SpecGraph) -> str:
    """Return the nodes as a mindmap of Mermaid."""
    lines = ["mindmap"]
    waiting = [(ROOT, 1)]
    while waiting:
        id_, depth = waiting.pop()
        text = _label(_text(graph, id_))
        shape = f"root(({text}))" if id_ == ROOT else f"{id_.replace('.', '__')}[{text}]"
        lines.append("  " * depth + shape)
        waiting += [(one, depth + 1) for one in reversed(graph.children_ids(id_))]
    return "\n".join([*lines, ""])


def board(cards: Sequence[Card]) -> Diagram:
    """Return cards in the four columns of a board."""
    boxes: dict[str, str] = {}
    groups: list[tuple[str, list[str]]] = []
    for column in Column:
        inside = [card for card in cards if card.column is column]
        names = [f"{column.value[0]}{number}" for number in range(1, len(inside) + 1)]
        boxes |= {name: card.title for name, card in zip(names, inside, strict=True)}
        groups.append((column.value, names))
    return Diagram("LR", boxes, groups=groups)


def board_of(graph: SpecGraph, columns: Mapping[str, Column]) -> Diagram:
    """Return each node as a card (default: in the backlog)."""
    return board(
        [
            Card(_text(graph, node.id), columns.get(node.id, Column.BACKLOG))
            for node in graph.below(ROOT)
        ]
    )


def _text(graph: SpecGraph, id_: str) -> str:
    node = graph[id_]
    if id_ == ROOT:
        return _shortened(str(node.fields.get("purpose", id_)))
    return _shortened(node.name) if "name" in node.fields else id_.replace("_", " ").capitalize()


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


async def render_spec(
    graph: SpecGraph,
    view: SpecView,
    format: DiagramFormat,
    *,
    columns: Mapping[str, Column] | None = None,
    time_limit: timedelta = TIME_LIMIT,
) -> str:
    """Draw a specification; the columns of a board are those of its nodes (default: backlog)."""
    if view is SpecView.MINDMAP and format is DiagramFormat.MERMAID:
        return mindmap_mermaid(graph)
    match view:
        case SpecView.FLOWCHART:
            diagram = flowchart(graph)
        case SpecView.MINDMAP:
            diagram = mindmap(graph)
        case SpecView.BOARD:
            diagram = board_of(graph, columns or {})
    return await render_diagram(diagram, format, time_limit=time_limit)


async def render_diagram(
    diagram: Diagram, format: DiagramFormat, *, time_limit: timedelta = TIME_LIMIT
) -> str:
    """Return a diagram in a format."""
    match format:
        case DiagramFormat.DOT:
            return diagram.dot()
        case DiagramFormat.MERMAID:
            return diagram.mermaid()
        case DiagramFormat.SVG:
            size = f"{len(diagram.boxes)} nodes and {len(diagram.lines)} edges"
            svg = await draw_dot(diagram.dot(), format, size=size, time_limit=time_limit)
            return svg.decode()


_SHOWN_ELSEWHERE = frozenset({"name", "purpose"})


def summary_of(spec: StoredSpec) -> str:
    """Return the purpose, the number of nodes of each kind, and the number of open questions."""
    kinds = Counter(one.kind for one in spec.graph.below(ROOT))
    parts = [_counted(kinds[kind], kind) for kind in kinds if kind not in (ROOT, SECTION)]
    if spec.clarifications:
        parts.append(number_of(len(spec.clarifications), "open question"))
    return f"{spec.graph.root.fields['purpose']}: {', '.join(parts) or 'nothing else yet'}"


def _counted(count: int, kind: str) -> str:
    words = kind if count == 1 else node_kinds()[kind].key
    return f"{count} {words.replace('_', ' ')}"


def outline_of(graph: SpecGraph) -> str:
    """Return all nodes as an indented list, without empty sections."""
    return "\n".join(_lines(graph, graph.root, 0))


def _lines(graph: SpecGraph, node: SpecNode, depth: int) -> Iterator[str]:
    if node.kind == SECTION and not (node.fields or graph.children_ids(node.id)):
        return
    head = node.id if node.name == node.id else f"{node.id}: {node.fields.get('name', node.name)}"
    if node.id == ROOT:
        head = f"{node.id}: {node.fields['purpose']}"
    kind = "" if node.kind in (ROOT, SECTION) else f"  ({node.kind.replace('_', ' ')})"
    yield f"{'  ' * depth}{head}{kind}"
    for key, value in node.fields.items():
        if value and key not in _SHOWN_ELSEWHERE:
            shown = "; ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{'  ' * (depth + 1)}- {key}: {shown}"
    for relation in Relation:
        targets = node.targets(relation)
        if targets and relation not in (Relation.CONTAINS, Relation.PRECEDES):
            yield f"{'  ' * (depth + 1)}- {relation}: {', '.join(targets)}"
    for child in graph.children(node.id):
        yield from _lines(graph, child, depth + 1)

"""The contents of a drawing: annotations, element ids, retry lines, labels, tooltips and boxes."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.language.drawing.theme import ElementStyle
from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import columns_of, read_text, visible


@dataclass(frozen=True)
class Annotation:
    """Marks a node or an edge in a drawing.

    `name` is the CSS class of the element; `sign` is drawn before the label, `note` below the
    label.
    """

    name: str
    style: ElementStyle
    sign: str = ""
    note: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Picture:
    """A graph, a caption to draw below the title, and annotations (`marks`) by element id.

    `kind` and `description` describe the picture, including the annotations, for screen readers.
    """

    graph: Graph
    marks: Mapping[str, Annotation] = field(default_factory=dict[str, Annotation])
    caption: str = ""
    description: str = ""
    kind: str = "A pipeline"


def as_picture(drawn: Graph | Picture) -> Picture:
    """Return a picture; the picture of a bare graph has no annotations."""
    return drawn if isinstance(drawn, Picture) else Picture(drawn)


_ODD = late_pattern(r"[^A-Za-z0-9_]")
_EMPTY_ID = "--0-"


def node_element(id_: str) -> str:
    """Return the element id of a node: `node-<id>`."""
    return f"node-{encoded(id_)}"


def edge_elements(edges: Iterable[Edge]) -> Iterator[str]:
    """Yield the element ids of edges: `edge-<from>-<to>`, then `edge-<from>-<to>-2`."""
    counts = Counter[tuple[str, str]]()
    for edge in edges:
        ends = edge.source, edge.target
        counts[ends] += 1
        number = f"-{counts[ends]}" if counts[ends] > 1 else ""
        yield f"edge-{encoded(edge.source)}-{encoded(edge.target)}{number}"


def encoded(text: str) -> str:
    """Encode a text for an element id: valid in XML, without escapes in a CSS selector.

    Any character except letters, digits and underscores is written as `--`, the number of the
    character in hexadecimal, and `-`.
    """
    return _ODD.sub(_number, text) or _EMPTY_ID


def as_class(text: str) -> str:
    """Return a text as a CSS class: `wait.human` is `wait-human`."""
    return _ODD.sub("-", text)


def _number(odd: re.Match[str]) -> str:
    return "--00-" if odd[0] == "\0" else f"--{ord(odd[0]):x}-"


_CAPTIONS = {"retry_target": "retry", "fallback_retry_target": "fallback retry"}


@dataclass(frozen=True)
class Jump:
    """A line from a node to a retry target.

    A goal gate without targets has the targets of the graph.
    """

    source: str
    target: str
    attribute: str

    @property
    def caption(self) -> str:
        """The label of the retry line."""
        return _CAPTIONS[self.attribute]

    @property
    def element(self) -> str:
        """The element id of the retry line: `retry-<from>-<to>` or `fallback-<from>-<to>`."""
        kind = self.caption.partition(" ")[0]
        return f"{kind}-{encoded(self.source)}-{encoded(self.target)}"


def jumps(graph: Graph) -> Iterator[Jump]:
    """Yield the retry lines of a graph to targets that exist."""
    for node in graph.nodes.values():
        attributes = node.attributes
        if node.is_goal_gate and not any(attributes.text(name) for name in _CAPTIONS):
            attributes = graph.attributes
        for name in _CAPTIONS:
            target = attributes.text(name)
            if target and target in graph.nodes:
                yield Jump(node.id, target, name)


NODE_COLUMNS = 28
SQUARE_COLUMNS = 14
EDGE_COLUMNS = 26
TITLE_COLUMNS = 60
_MOST_LINES = 12
_MOST_NAMES = 40
_LONGEST_TOOLTIP = 1000
_BROAD = frozenset("mwMW@%")
_BREAK = late_pattern(r"\\(.)", re.DOTALL)
_NO_XML = late_pattern("[\ufffe\uffff]")
_TYPE_CAPTIONS = {
    "codergen": "agent",
    "wait.human": "human",
    "conditional": "decision",
    "parallel.fan_in": "fan-in",
    "stack.manager_loop": "manager",
}


def type_caption(node: Node) -> str:
    """Return the type of a node as a short caption."""
    words = [clean(_TYPE_CAPTIONS.get(node.type, node.type))]
    return " · ".join([*words, "goal gate"] if node.is_goal_gate else words)


def label_of(attributes: Attributes, default: str = "") -> str:
    r"""Return the label of a node or an edge, with `\l` and `\r` as line breaks, as in Graphviz."""
    value = attributes.value("label")
    plain = str(value) if value else ""
    # Only in a text that was read from a quoted value, `\l` is a break, but `\\l` is not.
    is_read = value and value.text.startswith('"') and read_text(value.text[1:-1])[0] == plain
    if value is None or "\\" not in plain or not is_read:
        return plain or default
    breaks = _BREAK.sub(lambda sign: r"\n" if sign[1] in "lr" else sign[0], value.text[1:-1])
    return read_text(breaks)[0]


def title_of(graph: Graph) -> str:
    """Return the title of a drawing."""
    return label_of(graph.attributes) or graph.name or "pipeline"


def in_one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return clean(" ".join(text.split()))


def edge_lines(edge: Edge, *, sign: str = "") -> list[str]:
    """Return the label and the condition of an edge in short lines."""
    label = label_of(edge.attributes)
    texts = [sign + label if label else sign.strip(), edge.attributes.text("condition")]
    return [line for text in texts if text for line in wrapped(text, EDGE_COLUMNS)]


def node_tooltip(node: Node, *more: str) -> str:
    """Return a tooltip with id, type, notes, and prompt or command."""
    work = node.prompt or node.attributes.text("tool_command")
    return tooltip(f"{node.id} ({node.type})", *more, work)


def tooltip(*parts: str) -> str:
    """Join the parts that are not empty, each on its own line, up to 1,000 characters."""
    text = "\n".join(filter(None, parts))
    short = text if len(text) <= _LONGEST_TOOLTIP else f"{text[:_LONGEST_TOOLTIP]}…"
    return "\n".join(map(clean, short.split("\n")))


def clean(text: str) -> str:
    """Return one line that is safe in a terminal and valid in XML."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text))


def wrapped(text: str, columns: int) -> list[str]:
    """Wrap a text into at most 12 lines of at most `columns` columns."""
    # More would not be drawn, and wrapping a prompt of a million letters takes seconds.
    start = text[: columns * _MOST_LINES * 2]
    lines = [line for row in start.split("\n") for line in _wrapped(clean(row), columns)]
    if len(lines) > _MOST_LINES or len(start) < len(text):
        return [*lines[: _MOST_LINES - 1], "…"]
    return lines


def listed(names: Sequence[str]) -> str:
    """Join names with commas: the first 40, and the number of the rest."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def ems_of(text: str) -> float:
    """Return the width of a text in a font of wide letters, in font sizes."""
    return 0.58 * columns_of(text) + 0.4 * sum(letter in _BROAD for letter in text)


def _wrapped(text: str, columns: int) -> list[str]:
    lines, room = [""], columns
    for word in _pieces(text.split(), columns):
        width = columns_of(word)
        if lines[-1] and width + 1 > room:
            lines.append("")
            room = columns
        room -= width + bool(lines[-1])
        lines[-1] += f" {word}" if lines[-1] else word
    return [line for line in lines if line]


def _pieces(words: Iterable[str], columns: int) -> Iterator[str]:
    """Yield words, long words in pieces that fit into a line."""
    for word in words:
        piece, width = "", 0
        for letter in word:
            if width + columns_of(letter) > columns:
                yield piece
                piece, width = "", 0
            piece += letter
            width += columns_of(letter)
        yield piece


_SQUARE_SHAPES = frozenset({"Msquare", "square", "circle", "doublecircle", "Mcircle"})


def node_lines(picture: Picture, node: Node) -> list[str]:
    """Return the lines in a node: the type, the label, and the note of the annotation."""
    mark = picture.marks.get(node_element(node.id))
    caption = type_caption(node)
    columns = SQUARE_COLUMNS if node.shape in _SQUARE_SHAPES else NODE_COLUMNS
    label = wrapped((mark.sign if mark else "") + label_of(node.attributes, node.id), columns)
    # A start node with the label Start has one line.
    rest = [] if [caption] == [line.casefold() for line in label] else label
    note = [clean(mark.note)] if mark and mark.note else []
    return [caption, *rest, *note]


def tooltips_of(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield each node, edge and retry line with its tooltip."""
    for node in picture.graph.nodes.values():
        element = node_element(node.id)
        yield element, node_tooltip(node, *_notes(picture.marks.get(element)))
    edges = picture.graph.edges
    for edge, element in zip(edges, edge_elements(edges), strict=True):
        notes = _notes(picture.marks.get(element))
        yield element, tooltip(f"{edge.source} -> {edge.target}", *notes)
    for jump in jumps(picture.graph):
        notes = _notes(picture.marks.get(jump.element))
        yield jump.element, tooltip(f"{jump.source} -> {jump.target}", jump.caption, *notes)


def _notes(mark: Annotation | None) -> tuple[str, ...]:
    return (mark.note, mark.tooltip) if mark else ()


_CLUSTER = "cluster"
# Drawers recurse for each level.
_DEEPEST = 40
_RANKS = frozenset({"same", "min", "source", "max", "sink"})


@dataclass
class Box:
    """A cluster; the outermost box is the sheet itself and has no subgraph.

    `ranks` contains groups of nodes that a subgraph without a box aligns, with the rank of the
    subgraph.
    """

    subgraph: Subgraph | None = None
    element: str = ""
    depth: int = 0
    nodes: list[str] = field(default_factory=list[str])
    inner: list["Box"] = field(default_factory=list["Box"])
    ranks: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])


def nest_boxes(graph: Graph) -> Box:
    """Return the sheet with all boxes; a node is in the innermost box that names the node first."""
    outermost = Box()
    boxes = _boxes(graph, outermost)
    home: dict[str, Box] = {}
    pairs = list(zip(boxes, graph.subgraphs, strict=True))
    for box, subgraph in sorted(pairs, key=lambda pair: -pair[0].depth):
        for id_ in subgraph.nodes:
            home.setdefault(id_, box)
    for id_ in graph.nodes:
        home.get(id_, outermost).nodes.append(id_)
    for box, subgraph in pairs:
        rank = subgraph.attributes.text("rank")
        if rank in _RANKS:
            aligned = (id_ for id_ in subgraph.nodes if home[id_] is box and id_ in graph.nodes)
            box.ranks.append((rank, list(aligned)))
    return outermost


def _boxes(graph: Graph, outermost: Box) -> list[Box]:
    """Return the box of each subgraph: its own box, otherwise the surrounding box."""
    boxes: list[Box] = []
    counts: dict[str, int] = {}
    for subgraph in graph.subgraphs:
        box = boxes[subgraph.parent] if subgraph.parent >= 0 else outermost
        if subgraph.id.startswith(_CLUSTER) and box.depth < _DEEPEST:
            # The second subgraph with the same id, and each one after it, has a number.
            counts[subgraph.id] = number = counts.get(subgraph.id, 0) + 1
            element = f"subgraph-{encoded(subgraph.id)}" + (f"-{number}" if number > 1 else "")
            box.inner.append(Box(subgraph, element, box.depth + 1))
            box = box.inner[-1]
        boxes.append(box)
    return boxes


def walk_boxes(outermost: Box) -> Iterator[tuple[Box, bool]]:
    """Yield every box except the sheet twice.

    True is yielded with the beginning of a box, False with the end.
    """
    waiting = [iter(outermost.inner)]
    around: list[Box] = []
    while waiting:
        box = next(waiting[-1], None)
        if box is not None:
            yield box, True
            around.append(box)
            waiting.append(iter(box.inner))
            continue
        waiting.pop()
        if around:
            yield around.pop(), False

"""A graph as it is to be drawn: with what is marked in it.

The ids that the parts of a drawing go by, the same in every drawing of a pipeline.

They are valid in XML and need no escape in a CSS selector: a letter, digit or underscore stands for
itself, any other character is `--`, its number in hexadecimal, and `-`; an empty id is `--0-`, and
the character with the number 0 is `--00-`.

The ways of a walk that no edge stands for: to the nodes that work is taken up again at.

The words in a drawing: what a node is, short lines, and what is told when one points at it.

What the elements of a picture say: the lines in a node, and what a pointer brings up.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from unicodedata import combining, east_asian_width

from attractor.base.dataclasses import dataclass
from attractor.language.drawing.colors import ElementStyle
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes, Value
from attractor.language.source.text import read_text, visible


@dataclass(frozen=True)
class Annotation:
    """What is told of a node or an edge besides what the pipeline says of it.

    `name` is its class in the drawing, `sign` stands before its label, `note` below it.
    """

    name: str
    look: ElementStyle
    sign: str = ""
    note: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Picture:
    """A graph and its marks, by the ids of the elements they are on; a caption below the title.

    `kind` and `description` say for who does not see it what it is, and what the marks tell.
    """

    graph: Graph
    marks: Mapping[str, Annotation] = field(default_factory=dict[str, Annotation])
    caption: str = ""
    description: str = ""
    kind: str = "A pipeline"


def as_picture(drawn: Graph | Picture) -> Picture:
    """Return a picture; that of a graph alone has no marks."""
    return drawn if isinstance(drawn, Picture) else Picture(drawn)


_ODD = re.compile(r"[^A-Za-z0-9_]")
_NOTHING = "--0-"


def node_element(id_: str) -> str:
    """Return `node-<id>`."""
    return f"node-{encoded(id_)}"


def edge_elements(edges: Iterable[Edge]) -> Iterator[str]:
    """Yield `edge-<from>-<to>`, numbered from the second one between the same two nodes."""
    met = Counter[tuple[str, str]]()
    for edge in edges:
        ends = edge.source, edge.target
        met[ends] += 1
        number = f"-{met[ends]}" if met[ends] > 1 else ""
        yield f"edge-{encoded(edge.source)}-{encoded(edge.target)}{number}"


def encoded(text: str) -> str:
    """Return a text as it stands in an element's id."""
    return _ODD.sub(_number, text) or _NOTHING


def as_class(text: str) -> str:
    """Return a text as the name of a class: `wait.human` is `wait-human`."""
    return _ODD.sub("-", text)


def _number(odd: re.Match[str]) -> str:
    return "--00-" if odd[0] == "\0" else f"--{ord(odd[0]):x}-"


_CAPTIONS = {"retry_target": "retry", "fallback_retry_target": "fallback retry"}


@dataclass(frozen=True)
class Jump:
    """From a node to one of its retry targets; a goal gate without its own has the graph's."""

    source: str
    target: str
    attribute: str

    @property
    def caption(self) -> str:
        """What people read."""
        return _CAPTIONS[self.attribute]

    @property
    def element(self) -> str:
        """The id in a drawing: `retry-<from>-<to>` or `fallback-<from>-<to>`."""
        kind = self.caption.partition(" ")[0]
        return f"{kind}-{encoded(self.source)}-{encoded(self.target)}"


def jumps(graph: Graph) -> Iterator[Jump]:
    """Yield the jumps of a graph, as far as their targets are there."""
    for node in graph.nodes.values():
        attributes = _deciding(graph, node)
        for name in _CAPTIONS:
            target = attributes.text(name)
            if target and target in graph.nodes:
                yield Jump(node.id, target, name)


def _deciding(graph: Graph, node: Node) -> Attributes:
    own = node.attributes
    if node.is_goal_gate and not any(own.text(name) for name in _CAPTIONS):
        return graph.attributes
    return own


NODE_COLUMNS = 28
SQUARE_COLUMNS = 14
EDGE_COLUMNS = 26
TITLE_COLUMNS = 60
_MOST_LINES = 12
_MOST_NAMES = 40
_LONGEST_TOOLTIP = 1000
_BROAD = frozenset("mwMW@%")
_BREAK = re.compile(r"\\(.)", re.DOTALL)
_NO_XML = re.compile("[\ufffe\uffff]")
_CAPTIONS_CAPTIONS = {
    "codergen": "agent",
    "wait.human": "human",
    "conditional": "decision",
    "parallel.fan_in": "fan-in",
    "stack.manager_loop": "manager",
}


def type_caption(node: Node) -> str:
    """Say in a word or two what a node is."""
    words = [clean(_CAPTIONS_CAPTIONS.get(node.type, node.type))]
    return " · ".join([*words, "goal gate"] if node.is_goal_gate else words)


def label_of(attributes: Attributes, default: str = "") -> str:
    r"""Return a label with the line breaks that only Graphviz knows: \l and \r."""
    value = attributes.value("label")
    plain = str(value) if value else ""
    if value is None or "\\" not in plain or not _is_as_written(value):
        return plain or default
    return read_text(_BREAK.sub(_broken, value.text[1:-1]))[0]


def title_of(graph: Graph) -> str:
    """Return what stands above a drawing."""
    return label_of(graph.attributes) or graph.name or "pipeline"


def in_one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return clean(" ".join(text.split()))


def edge_lines(edge: Edge, *, sign: str = "") -> list[str]:
    """Return the label and the condition of an edge, in short lines."""
    label = label_of(edge.attributes)
    told = [sign + label if label else sign.strip(), edge.attributes.text("condition")]
    return [line for one in told if one for line in wrapped(one, EDGE_COLUMNS)]


def node_tooltip(node: Node, *more: str) -> str:
    """Tell of a node: its id, its type, what is noted of it, its prompt or command."""
    work = node.prompt or node.attributes.text("tool_command")
    return tooltip(f"{node.id} ({node.type})", *more, work)


def tooltip(*parts: str) -> str:
    """Return the parts that say something, each on lines of its own, none too long."""
    text = "\n".join(filter(None, parts))
    short = text if len(text) <= _LONGEST_TOOLTIP else f"{text[:_LONGEST_TOOLTIP]}…"
    return "\n".join(map(clean, short.split("\n")))


def clean(text: str) -> str:
    """Return one line that is harmless to a terminal and valid in XML."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text))


def wrapped(text: str, columns: int) -> list[str]:
    """Return a text in lines of at most so many columns, and not too many of them."""
    # More would not be shown: a prompt of a million letters must not take its time here.
    start = text[: columns * _MOST_LINES * 2]
    lines = [line for one in start.split("\n") for line in _wrapped(clean(one), columns)]
    if len(lines) > _MOST_LINES or len(start) < len(text):
        return [*lines[: _MOST_LINES - 1], "…"]
    return lines


def _is_as_written(value: Value) -> bool:
    r"""Tell whether its text is what is written: there `\l` is a break, and `\\l` is none."""
    return value.text.startswith('"') and read_text(value.text[1:-1])[0] == str(value)


def _broken(escape: re.Match[str]) -> str:
    return r"\n" if escape[1] in "lr" else escape[0]


def listed(names: Sequence[str]) -> str:
    """Return names in a row, of very many only the first."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def columns_of(text: str) -> int:
    """Return how wide a text is, in columns of a terminal."""
    return sum(map(_columns, text))


def ems_of(text: str) -> float:
    """Return how wide a text is in a font of wide letters, in sizes of the font."""
    return 0.58 * columns_of(text) + 0.4 * sum(letter in _BROAD for letter in text)


def _columns(letter: str) -> int:
    if letter.isascii():
        return 1
    return 2 if east_asian_width(letter) in "WF" else 0 if combining(letter) else 1


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
    """Yield words, those that fill more than a line in pieces."""
    for word in words:
        piece, width = "", 0
        for letter in word:
            if width + _columns(letter) > columns:
                yield piece
                piece, width = "", 0
            piece += letter
            width += _columns(letter)
        yield piece


_AS_HIGH_AS_WIDE = frozenset({"Msquare", "square", "circle", "doublecircle", "Mcircle"})


def node_lines(picture: Picture, node: Node) -> list[str]:
    """Return the lines in a node: what it is, its label, and what is noted of it."""
    mark = picture.marks.get(node_element(node.id))
    caption = type_caption(node)
    columns = SQUARE_COLUMNS if node.shape in _AS_HIGH_AS_WIDE else NODE_COLUMNS
    label = wrapped((mark.sign if mark else "") + label_of(node.attributes, node.id), columns)
    # A start that is called Start need not say so twice.
    told = [] if [caption] == [line.casefold() for line in label] else label
    note = [clean(mark.note)] if mark and mark.note else []
    return [caption, *told, *note]


def tooltips_of(picture: Picture) -> Iterator[tuple[str, str]]:
    """Yield each node, edge and jump with what it tells."""
    for node in picture.graph.nodes.values():
        element = node_element(node.id)
        yield element, node_tooltip(node, *_noted(picture.marks.get(element)))
    edges = picture.graph.edges
    for edge, element in zip(edges, edge_elements(edges), strict=True):
        noted = _noted(picture.marks.get(element))
        yield element, tooltip(f"{edge.source} -> {edge.target}", *noted)
    for jump in jumps(picture.graph):
        noted = _noted(picture.marks.get(jump.element))
        yield jump.element, tooltip(f"{jump.source} -> {jump.target}", jump.caption, *noted)


def _noted(mark: Annotation | None) -> tuple[str, ...]:
    return (mark.note, mark.tooltip) if mark else ()

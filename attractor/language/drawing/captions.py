"""The words in a drawing: what a node is, short lines, and what is told when one points at it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from attractor.language.graph import Edge, Graph, Node
from attractor.language.literals import read_text
from attractor.language.values import Attributes, Value
from attractor.language.wording import visible

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
_CAPTIONS = {
    "codergen": "agent",
    "wait.human": "human",
    "conditional": "decision",
    "parallel.fan_in": "fan-in",
    "stack.manager_loop": "manager",
}


def type_caption(node: Node) -> str:
    """Say in a word or two what a node is."""
    words = [clean(_CAPTIONS.get(node.type, node.type))]
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

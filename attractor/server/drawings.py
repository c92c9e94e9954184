"""Drawings of runs, kept by their content: an unchanged run is not drawn again.

`RunDrawings` has whole pictures for programs, with the states of a run. `GraphDrawings` has
drawings for pages, which are drawn once for each graph and then marked with the states of a run:
Graphviz places the nodes without states, so that a drawing does not move while its run goes on, and
all runs of a pipeline share one drawing. Colours are those of the style sheet of the pages: a class
marks the state of an element.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from html import escape
from pathlib import Path
from threading import Lock

from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import content_hash
from attractor.engine.run_folder.drawing import read_drawn, read_graph
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.language.diagnostics import DrawingFailed, NoDrawingProgram
from attractor.language.drawing.draw import Format, describe, dot_text, draw, render_async
from attractor.language.drawing.picture import node_element
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, overlay
from attractor.language.drawing.theme import PAINTS
from attractor.language.graph.graph import Graph

MOST_BYTES = 64 << 20
"""The maximum size of the kept drawings of runs; one of 500 nodes has half a megabyte."""

MOST_GRAPHS = 64
"""The number of graphs whose drawings are kept in memory."""

PATIENCE = timedelta(seconds=30)
"""The time limit of a drawing: a page waits for it."""

_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_BOX = re.compile(r'viewBox="[^ ]+ [^ ]+ ([^ ]+) ([^ "]+)"')
_GROUP = re.compile(r'<g id="([^"]*)" class="((?:node|edge|cluster)[^"]*)">(.*?)</g>', re.DOTALL)
_NUMBERS = re.compile(r"-?[0-9.]+")
_POINTS = re.compile(r'(?:points| d)="([^"]*)"')
_ELLIPSE = re.compile(r'<ellipse [^>]*cx="([^"]*)" cy="([^"]*)" rx="([^"]*)" ry="([^"]*)"')


@dataclass(frozen=True)
class RunDrawing:
    """An SVG, and the hash of its content."""

    svg: bytes
    content: str


class RunDrawings:
    """Draws runs as SVG, and keeps the drawings that were used last."""

    def __init__(self) -> None:
        self._kept = OrderedDict[str, RunDrawing]()
        # One drawing at a time: each takes a processor.
        self._turn = Lock()

    def draw(self, root: Path) -> RunDrawing:
        """Return the drawing of a run, with the state of its stages."""
        picture = read_drawn(RunDirectory(root)).picture
        # The description of the drawing for screen readers is not part of the DOT text.
        shown = f"{dot_text(picture)}\n{describe(picture)}"
        content = content_hash(shown.encode())
        with self._turn:
            drawing = self._kept.get(content)
            if drawing is None:
                svg = asyncio.run(render_async(picture, format=Format.SVG))
                drawing = self._kept[content] = RunDrawing(svg, content)
            self._kept.move_to_end(content)
            while len(self._kept) > 1 and self._size() > MOST_BYTES:
                self._kept.popitem(last=False)
        return drawing

    def _size(self) -> int:
        return sum(len(one.svg) for one in self._kept.values())


@dataclass(frozen=True)
class Element:
    """A node or an edge of a drawing: its classes, its content, and the corner for a sign."""

    id: str
    classes: str
    content: str
    corner: tuple[float, float]


@dataclass(frozen=True)
class GraphDrawing:
    """A graph and its drawing: literal texts, and between them elements that can be marked.

    Without a drawing, `fault` has the reason: the other parts of a page do not need it.
    """

    graph: Graph
    pieces: Sequence[str | Element]
    fault: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether the drawing needs the width of a page."""
        if self.fault:
            return False
        width, height = map(float, _BOX.findall(str(self.pieces[0]))[0])
        return width > 1.6 * height


class GraphDrawings:
    """The drawings of graphs, by the content of the graph; also kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._known: OrderedDict[str, GraphDrawing] = OrderedDict()

    def of_run(self, root: Path) -> GraphDrawing:
        """Return the drawing of a run's graph."""
        directory = RunDirectory(root)
        goal = read_manifest(directory).goal
        contents = (goal.encode(), *map(_content, (directory.graph, directory.files)))
        return self.of(contents, lambda: read_graph(directory))

    def of(self, contents: Sequence[bytes], read: Callable[[], Graph]) -> GraphDrawing:
        """Return the drawing of the graph that certain contents determine."""
        parts = (hashlib.sha256(one).digest() for one in contents)
        key = hashlib.sha256(b"".join(parts)).hexdigest()
        with self._lock:
            if found := self._known.get(key):
                self._known.move_to_end(key)
                return found
        graph = read()
        try:
            svg = self._svg(key, graph)
        except (NoDrawingProgram, DrawingFailed) as error:
            return GraphDrawing(graph, (), f"{error.message}: {error.hint}")
        drawing = GraphDrawing(graph, tuple(_pieces(svg)))
        with self._lock:
            self._known[key] = drawing
            if len(self._known) > MOST_GRAPHS:
                self._known.popitem(last=False)
        return drawing

    def _svg(self, key: str, graph: Graph) -> str:
        file = self._folder / f"{key}.svg"
        if file.exists():
            return read_regular(file).decode()
        svg = asyncio.run(draw(graph, time_limit=PATIENCE))
        make_private_folder(self._folder)
        write_whole(file, svg, sync=False)
        return svg


def _content(file: Path) -> bytes:
    return read_regular(file) if file.exists() else b""


def _pieces(svg: str) -> Iterator[str | Element]:
    # In a page the drawing is a group of links with a style sheet elsewhere, not a picture.
    svg = _STYLE.sub("", svg, count=1).replace(' role="img"', ' role="group"', 1)
    at = 0
    for group in _GROUP.finditer(svg):
        yield svg[at : group.start()]
        yield Element(group[1], group[2], group[3], _corner(group[3]))
        at = group.end()
    yield svg[at:]


def _corner(content: str) -> tuple[float, float]:
    """Return the place for a sign: between the highest and the rightmost point of a shape."""
    if ellipse := _ELLIPSE.search(content):
        x, y, rx, ry = map(float, ellipse.groups())
        return x + 0.7 * rx, y - 0.7 * ry
    found = _POINTS.search(content)
    numbers = [float(one) for one in _NUMBERS.findall(found[1])] if found else [0.0, 0.0]
    points = list(zip(numbers[::2], numbers[1::2], strict=False))
    highest = min(points, key=lambda point: (point[1], -point[0]))
    rightmost = max(points, key=lambda point: (point[0], -point[1]))
    return (highest[0] + rightmost[0]) / 2, (highest[1] + rightmost[1]) / 2


_Sign = Callable[[StageState], str]


def marked(
    drawing: GraphDrawing,
    states: RunStates,
    *,
    address: Callable[[str], str],
    sign: _Sign,
    selected: str = "",
) -> str:
    """Return the SVG of a drawing with the states of a run.

    Each node is a link to the address of its stage, and has the sign of its state at its corner:
    an SVG of 16 by 16.
    """
    marks = overlay(drawing.graph, states).marks
    nodes = {node_element(id_): id_ for id_ in drawing.graph.nodes}

    def write(one: Element) -> str:
        mark = marks.get(one.id)
        classes = f"{one.classes} {mark.name}" if mark else one.classes
        id_ = nodes.get(one.id)
        if id_ is None:
            return f'<g id="{one.id}" class="{classes}">{one.content}</g>'
        state = states.nodes.get(id_, NodeState(StageState.UNREACHED))
        words = f"{id_}: {mark.note if mark and mark.note else state.state.value}"
        current = ' aria-current="true"' if id_ == selected else ""
        return (
            f'<a href="{escape(address(id_))}" data-node="{escape(id_)}"{current}'
            f' aria-label="{escape(words)}"><g id="{one.id}" class="{classes}">'
            f"{one.content}{_sign(one.corner, state, sign)}</g></a>"
        )

    return "".join(one if isinstance(one, str) else write(one) for one in drawing.pieces)


def _sign(corner: tuple[float, float], state: NodeState, sign: _Sign) -> str:
    if state.state is StageState.UNREACHED:
        return ""
    x, y = corner[0] + 3, corner[1] - 3
    visits = (
        f'<text x="{x - 10:.1f}" y="{y + 3:.1f}" text-anchor="end">×{state.visits}</text>'
        if state.visits > 1
        else ""
    )
    return (
        f'<g class="sign"><circle cx="{x:.1f}" cy="{y:.1f}" r="7.5"/>'
        f'<svg x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" viewBox="0 0 16 16">'
        f"{sign(state.state)}</svg>{visits}</g>"
    )


def drawing_style_sheet() -> str:
    """Return the rules that give drawings the colours of the dark theme."""
    rules = (
        f'.attractor-drawing [fill="{light}"]{{fill:{dark}}}'
        f'.attractor-drawing [stroke="{light}"]{{stroke:{dark}}}'
        for light, dark in PAINTS
    )
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}\n"


def inline_drawing(svg: str) -> Markup:
    """Return a drawing to insert into a page; a style sheet of the pages has its colours."""
    return Markup(_STYLE.sub("", svg[svg.index("<svg") :]))

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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from html import escape
from pathlib import Path
from threading import Lock
from urllib.parse import urlencode

from markupsafe import Markup

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import content_hash
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.language.diagnostics import DrawingFailed, NoDrawingProgram
from attractor.language.drawing.draw import Format, describe, dot_text, draw, render_async
from attractor.language.drawing.lanes import (
    Bundle,
    Folded,
    Lane,
    find_bundles,
    find_lanes,
    fold,
    fold_states,
)
from attractor.language.drawing.picture import node_element
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, overlay
from attractor.language.drawing.theme import PAINTS
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Value
from attractor.records.drawing import read_drawn, read_graph

MOST_BYTES = 64 << 20
"""The maximum size of the kept drawings of runs; one of 500 nodes has half a megabyte."""

LARGE = 40_000
"""The size of a drawing that a page asks for after its first view."""

MOST_FILES = 1000
"""The number of drawings of graphs that are kept in the folder."""

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
            size = sum(len(kept.svg) for kept in self._kept.values())
            while len(self._kept) > 1 and size > MOST_BYTES:
                size -= len(self._kept.popitem(last=False)[1].svg)
        return drawing


@dataclass(frozen=True)
class Element:
    """A node or an edge of a drawing: its classes, its content, and the corner for a sign."""

    id: str
    classes: str
    content: str
    corner: tuple[float, float]


MOST_PLAIN = 40
"""The number of nodes above which branches are folded, unless a person unfolds them."""


class FoldKind(StrEnum):
    """The branches that are folded; by default, those of a graph with many nodes."""

    DEFAULT = ""
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class Look:
    """The way to draw a graph: direction (default: that of the graph), and folded branches.

    The branches in `open`, named by their first nodes, are not folded. Those in `out` are drawn
    beside the bundle of their fork, and with the name of a fork, all its branches.
    """

    direction: str = ""
    fold: FoldKind = FoldKind.DEFAULT
    open: tuple[str, ...] = ()
    out: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """The parameters of an address; empty by default."""
        pairs = [("direction", self.direction), ("fold", self.fold.value)]
        pairs += [("open", begin) for begin in self.open]
        pairs += [("out", begin) for begin in self.out]
        return urlencode([(name, value) for name, value in pairs if value])

    def among(self, drawing: "GraphDrawing") -> "Look":
        """Return the look with the names of branches that a graph has."""
        begins = {lane.begin for lane in drawing.lanes}
        outs = {bundle.fork for bundle in drawing.bundles}
        outs |= {lane.begin for bundle in drawing.bundles for lane in bundle.lanes}
        return replace(
            self,
            open=tuple(sorted({*self.open} & begins)),
            out=tuple(sorted({*self.out} & outs)),
        )

    def folds(self, graph: Graph, lanes: Sequence[Lane]) -> Sequence[Lane]:
        """Return the branches to fold."""
        is_large = len(graph.nodes) > MOST_PLAIN
        if self.fold is FoldKind.NONE or (self.fold is FoldKind.DEFAULT and not is_large):
            return ()
        return [lane for lane in lanes if lane.begin not in self.open]

    def bundled(self, bundles: Sequence[Bundle]) -> Iterator[Bundle]:
        """Yield the bundles to draw, each with the branches that are in it."""
        if self.fold is FoldKind.NONE:
            return
        for bundle in bundles:
            lanes = tuple(one for one in bundle.lanes if one.begin not in self.out)
            if bundle.fork not in self.out and len(lanes) > 1:
                yield Bundle(bundle.fork, lanes)


PLAIN = Look()
"""The look of a graph unless a person chooses another."""


@dataclass(frozen=True)
class GraphDrawing:
    """A graph and its drawing: literal texts, and between them elements that can be marked.

    Without a drawing, `fault` has the reason: the other parts of a page do not need it.
    """

    graph: Graph
    pieces: Sequence[str | Element]
    fault: str = ""
    drawn: Graph | None = None
    """The graph as it is drawn, with folded branches."""

    lanes: Sequence[Lane] = ()
    """All branches that can be folded."""

    bundles: Sequence[Bundle] = ()
    """The branches of each fork with many."""

    folded: Sequence[Folded] = ()
    """The branches and bundles that are folded to a node."""

    look: Look = PLAIN

    @property
    def is_sideways(self) -> bool:
        """Whether the drawing goes from left to right."""
        return self.drawn is not None and self.drawn.attributes.text("rankdir") in ("LR", "RL")

    @property
    def turned(self) -> Look:
        """The look with the other direction."""
        return replace(self.look, direction="TB" if self.is_sideways else "LR")

    @property
    def all_folded(self) -> Look:
        """The look with all branches folded."""
        return Look(self.look.direction, FoldKind.ALL)

    @property
    def all_unfolded(self) -> Look:
        """The look with all branches unfolded."""
        return Look(self.look.direction, FoldKind.NONE)

    def with_branch(self, lane: Lane) -> Look:
        """Return the look with a branch of a bundle beside it, unfolded; again, inside it."""
        look = self.look
        if lane.fork in look.out:
            others = {
                one.begin for each in self.bundles for one in each.lanes if one.fork == lane.fork
            }
            return replace(look, out=(*({*look.out} | others) - {lane.fork, lane.begin},))
        if lane.begin in look.out:
            return replace(look, out=tuple(one for one in look.out if one != lane.begin))
        folds = {one.begin for one in look.folds(self.graph, self.lanes)}
        if lane.begin in folds:
            look = _look(self, folds - {lane.begin})
        return replace(look, out=(*look.out, lane.begin))

    @property
    def is_large(self) -> bool:
        """Whether the drawing would delay the first view of a page."""
        texts = (one if isinstance(one, str) else one.content for one in self.pieces)
        return sum(map(len, texts)) > LARGE

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

    def of_run(self, root: Path, look: Look = PLAIN) -> GraphDrawing:
        """Return the drawing of a run's graph."""
        directory = RunDirectory(root)
        goal = read_manifest(directory).goal
        contents = (goal.encode(), *map(_content, (directory.graph, directory.files)))
        return self.of(contents, lambda: read_graph(directory), look)

    def of(
        self, contents: Sequence[bytes], read: Callable[[], Graph], look: Look = PLAIN
    ) -> GraphDrawing:
        """Return the drawing of the graph that certain contents determine."""
        if look.open or look.out:
            # Invented names would make drawings of their own.
            look = look.among(self.of(contents, read))
        parts = (hashlib.sha256(part).digest() for part in (*contents, look.query.encode()))
        key = hashlib.sha256(b"".join(parts)).hexdigest()
        with self._lock:
            if found := self._known.get(key):
                self._known.move_to_end(key)
                return found
        graph = read()
        lanes, bundles = find_lanes(graph), find_bundles(graph)
        drawn, folded = fold(graph, [*look.bundled(bundles), *look.folds(graph, lanes)])
        if look.direction:
            attributes = drawn.attributes.replaced("rankdir", Value.of(look.direction))
            drawn = replace(drawn, attributes=attributes)
        try:
            file = self._folder / f"{key}.svg"
            if file.exists():
                svg = read_regular(file).decode()
            else:
                svg = asyncio.run(draw(drawn, time_limit=PATIENCE))
                make_private_folder(self._folder)
                write_whole(file, svg, sync=False)
                self._remove_oldest()
        except (NoDrawingProgram, DrawingFailed) as error:
            return GraphDrawing(graph, (), f"{error.message}: {error.hint}")
        pieces = tuple(_pieces(svg))
        drawing = GraphDrawing(graph, pieces, "", drawn, lanes, bundles, folded, look)
        with self._lock:
            self._known[key] = drawing
            if len(self._known) > MOST_GRAPHS:
                self._known.popitem(last=False)
        return drawing

    def _remove_oldest(self) -> None:
        """Keep the newest files: a person may look at a graph in many ways."""
        # Another server may remove them at the same time.
        with suppress(FileNotFoundError):
            files = sorted(self._folder.glob("*.svg"), key=lambda file: file.stat().st_mtime)
            for file in files[:-MOST_FILES]:
                file.unlink()


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


@dataclass(frozen=True)
class MarkedElement:
    """An element with its state: as a whole, and as the change of an element in a page."""

    id: str
    whole: str
    change: str


def marked(
    drawing: GraphDrawing,
    states: RunStates,
    *,
    address: Callable[[str], str],
    sign: _Sign,
    look_address: Callable[[Look], str] | None = None,
    selected: str = "",
) -> Iterator[str | MarkedElement]:
    """Yield the SVG of a drawing with the states of a run.

    Each node is a link to the address of its stage, and has the sign of its state at its corner:
    an SVG of 16 by 16. With `look_address`, the node of a folded branch is a link that unfolds the
    branch, and the first node of an unfolded branch has a link that folds it.
    """
    if drawing.drawn is None:
        return
    folded = {one.begin: one for one in drawing.folded}
    shown = fold_states(states, drawing.folded)
    marks = overlay(drawing.drawn, shown).marks
    nodes = {node_element(id_): id_ for id_ in drawing.drawn.nodes}
    links = look_address and _look_links(drawing, look_address)
    for piece in drawing.pieces:
        if isinstance(piece, str):
            yield piece
            continue
        mark = marks.get(piece.id)
        classes = f"{piece.classes} {mark.name}" if mark else piece.classes
        id_ = nodes.get(piece.id)
        group = f'<g id="{piece.id}" class="{classes}"'
        if id_ is None:
            unmarked = f'{group} data-piece="mark"></g>'
            yield MarkedElement(piece.id, f"{group}>{piece.content}</g>", unmarked)
            continue
        lane = folded.get(id_)
        state = shown.nodes.get(id_, NodeState(StageState.UNREACHED))
        count = lane.count(states) if lane else ""
        note = mark.note if mark and mark.note else state.state.value
        words = f"{lane.name}: {note}, {count}: unfold" if lane else f"{id_}: {note}"
        signs = _sign(piece.corner, state, sign)
        content, unfolds = piece.content, ""
        if lane:
            content = content.replace(f">{lane.count(RunStates())}<", f' data-lane="">{count}<')
            # The branches of a bundle are found in their table.
            names = escape("\n".join(lane.nodes)) if isinstance(lane, Lane) else ""
            unfolds = f' data-look data-names="{names}"'
        current = ' aria-current="true"' if id_ == selected else ""
        target = links[id_] if links and lane else address(id_)
        folds = links.get(id_) if links and not lane else None
        yield MarkedElement(
            piece.id,
            f'<a href="{escape(target)}" data-node="{escape(id_)}"{current}{unfolds}'
            f' aria-label="{escape(words)}">{group}>{content}{signs}</g></a>'
            f"{_fold_link(piece.corner, id_, folds) if folds else ''}",
            f'{group} data-piece="mark" data-label="{escape(words)}" data-text="{count}">'
            f"{signs}</g>",
        )


def _look_links(drawing: GraphDrawing, address: Callable[[Look], str]) -> Mapping[str, str]:
    """Return the addresses that unfold what is folded, or fold an unfolded lane, by node."""
    folds = {lane.begin for lane in drawing.look.folds(drawing.graph, drawing.lanes)}
    drawn = drawing.drawn.nodes if drawing.drawn else ()
    links = {
        lane.begin: address(_look(drawing, folds ^ {lane.begin}))
        for lane in drawing.lanes
        if lane.begin in drawn
    }
    for one in drawing.folded:
        if isinstance(one, Bundle):
            look = drawing.look
            links[one.begin] = address(replace(look, out=(*look.out, one.fork)))
    return links


def _look(drawing: GraphDrawing, folded: Collection[str]) -> Look:
    unfolded = tuple(lane.begin for lane in drawing.lanes if lane.begin not in folded)
    # Without folding, there are no bundles either.
    fold = FoldKind.ALL if folded or drawing.bundles else FoldKind.NONE
    opened = unfolded if fold is FoldKind.ALL else ()
    return replace(drawing.look, fold=fold, open=opened)


def _fold_link(corner: tuple[float, float], begin: str, address: str) -> str:
    """Return the link at the first node of an unfolded branch, which folds the branch."""
    x, y = corner[0] + 20, corner[1] - 3
    return (
        f'<a class="folder" data-look href="{escape(address)}"'
        f' aria-label="Fold the branch of {escape(begin)}">'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7.5"/>'
        f'<path d="M{x - 4:.1f} {y:.1f}h8"/></a>'
    )


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

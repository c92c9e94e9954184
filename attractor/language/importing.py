"""Imports graphs in place of nodes of the type `import`, and into these what they import."""

import posixpath
from collections.abc import Iterator
from dataclasses import field, replace
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language import when_needed
from attractor.language.diagnostics import Diagnostic, error, warning
from attractor.language.errors import UnreadablePipeline
from attractor.language.grafting import graft, prefixed
from attractor.language.graph import Graph, Node
from attractor.language.handing_down import hand_down, merge_lists, moved
from attractor.language.parsing import decode, read_graph
from attractor.language.preparation import built_in_transforms
from attractor.language.sources import Source
from attractor.language.surroundings import Files, Surroundings
from attractor.language.within import span_within
from attractor.language.wording import quote

_RULE = "import_file"
_TYPE = "import"
_ORDER = 10
_DEEPEST = 50
# Files that import each other twice, level for level, would fill any memory.
_MOST_NODES = 20_000
_PATH = "write the path from the folder of this file"
_RULES = {"model_stylesheet": "stylesheet_syntax", "inputs": "known_input"}
# What would have to hold for a stage, and an import is none.
_WITHOUT_MEANING = ("goal_gate", "retry_target", "fallback_retry_target", "max_visits", "prompt")


def import_files(graph: Graph, around: Surroundings, files: Files) -> Graph:
    """Return the graph with every import in place; one that cannot be read stays a placeholder."""
    return _Importing(graph, around, files).finish()


@dataclass
class _Opened:
    """A file whose imports are being read; its name is the path from the first one's folder."""

    name: str
    graph: Graph
    waiting: list[Node]
    taken: set[str]
    pieces: dict[str, Graph] = field(default_factory=dict[str, Graph])


class _Trouble(NamedTuple):
    """Why a graph cannot be put in place of a node, and what to do."""

    message: str
    fix: str


class _Importing:
    """One walk over the files that a graph imports; however deep they lie, nothing calls itself."""

    def __init__(self, graph: Graph, around: Surroundings, files: Files) -> None:
        self._around = around
        self._files = files
        self._folder = posixpath.dirname(graph.span.file)
        self._before = [make(around) for make in built_in_transforms() if make.order < _ORDER]
        self._opened = [_opened(posixpath.basename(graph.span.file), graph)]
        self._done: dict[str, Graph | None] = {}

    def finish(self) -> Graph:
        """Read every file, and put each into the one that imports it."""
        while True:
            last = self._opened[-1]
            if last.waiting:
                self._take(last, last.waiting[-1])
                continue
            graph = self._joined(last)
            self._opened.pop()
            if not self._opened:
                return graph
            self._done[last.name] = hand_down(graph, self._around)

    def _take(self, importing: _Opened, placeholder: Node) -> None:
        """Put one import in place, or open its file first and come back."""
        name = self._name(importing, placeholder)
        trouble = self._trouble(placeholder, name)
        if trouble is None and name not in self._done:
            trouble = self._open(name)
            if self._opened[-1] is not importing:
                return
        importing.waiting.pop()
        trouble = trouble or self._place(importing, placeholder, self._done[name], name)
        if trouble:
            self._report(placeholder, trouble)

    def _trouble(self, placeholder: Node, name: str) -> _Trouble | None:
        """Say what keeps a file from being imported, if that shows before it is read."""
        file = placeholder.attributes.text("file")
        way = [one.name for one in self._opened]
        if not file:
            return _Trouble("this import names no file", 'write file="other.dot"')
        if file.startswith("/"):
            message = f"{quote(file)} is an absolute path"
            return _Trouble(message, _PATH)
        if name in way:
            chain = " -> ".join([*way[way.index(name) :], name])
            return _Trouble(f"{name} imports itself: {chain}", "take one of these imports away")
        if len(way) > _DEEPEST:
            message = f"more than {_DEEPEST} imports lie within each other"
            return _Trouble(message, "import less deeply")
        return None

    def _open(self, name: str) -> _Trouble | None:
        """Read a file up to what it imports itself, or say why it cannot be read."""
        try:
            text = decode(self._files.read(name), file=name)
        except UnreadablePipeline as unreadable:
            return _Trouble(unreadable.message, unreadable.hint or _PATH)
        shown = posixpath.normpath(posixpath.join(self._folder, name))
        graph, found, _ = read_graph(Source(text, shown))
        for diagnostic in found:
            self._around.report(diagnostic, rule=diagnostic.rule)
        if graph is None:
            self._done[name] = None
            return None
        for transform in self._before:
            graph = transform.apply(graph)
        for diagnostic in _mistakes(graph):
            self._around.report(diagnostic, rule=diagnostic.rule)
        self._opened.append(_opened(name, moved(graph, posixpath.dirname(name))))
        return None

    def _place(
        self, importing: _Opened, placeholder: Node, piece: Graph | None, name: str
    ) -> _Trouble | None:
        """Keep a graph for its placeholder, unless it does not fit in."""
        if piece is None:
            message = f"{name} is no pipeline: its mistakes are reported where they are"
            return _Trouble(message, f"mend {name}")
        shortcoming = _shortcoming(piece, name)
        if shortcoming:
            return shortcoming
        ids = {prefixed(placeholder.id, id_) for id_ in piece.nodes}
        clash = min(ids & importing.taken, default="")
        if clash:
            message = f"a node of the import would be called {quote(clash)}, as another is"
            return _Trouble(message, "give the other one another id")
        if len(importing.taken) + len(ids) > _MOST_NODES:
            return _Trouble(f"the imports have more than {_MOST_NODES:,} nodes", "import less")
        importing.taken.update(ids)
        importing.pieces[placeholder.id] = piece
        for found in _meaningless(placeholder):
            self._around.report(found, rule=_RULE)
        return None

    def _joined(self, opened: _Opened) -> Graph:
        return graft(merge_lists(opened.graph, opened.pieces.values()), opened.pieces)

    def _name(self, importing: _Opened, placeholder: Node) -> str:
        folder = posixpath.dirname(importing.name)
        return posixpath.normpath(posixpath.join(folder, placeholder.attributes.text("file")))

    def _report(self, placeholder: Node, trouble: _Trouble) -> None:
        file = placeholder.attributes.value("file")
        span = file.span if file and file.span.is_somewhere else placeholder.span
        found = error(trouble.message, span, node=placeholder.id, fix=trouble.fix)
        self._around.report(found, rule=_RULE)


def _opened(name: str, graph: Graph) -> _Opened:
    # The first one is taken from the end.
    return _Opened(name, graph, [*graph.of_type(_TYPE)][::-1], set(graph.nodes))


def _shortcoming(graph: Graph, name: str) -> _Trouble | None:
    """Say what keeps a graph from being put in place of a node."""
    for end, nodes in (("start", graph.starts), ("exit", graph.exits)):
        if len(nodes) != 1:
            message = f"{name} has {len(nodes) or 'no'} {end} node{'s' if nodes else ''}"
            return _Trouble(message, f"give {name} one {end} node")
    return None


def _meaningless(placeholder: Node) -> Iterator[Diagnostic]:
    for key in _WITHOUT_MEANING:
        attribute = placeholder.attributes.by_key.get(key)
        if attribute is not None:
            message = f"{key} means nothing on an import, which is no stage"
            fix = "write it on a node of the imported file"
            yield warning(message, attribute.span, node=placeholder.id, fix=fix)


def _mistakes(graph: Graph) -> Iterator[Diagnostic]:
    """Yield the mistakes in what is not left of an imported graph when the rules see it."""
    read = {"model_stylesheet": when_needed.read_stylesheet, "inputs": when_needed.read_inputs}
    for key, rule in _RULES.items():
        value = graph.attributes.value(key)
        if value is None or not str(value).strip():
            continue
        for one in read[key](str(value)).mistakes:
            span = span_within(value, one.start, one.end)
            message = one.message if key == "model_stylesheet" else f"in {key} {one.message}"
            found = error(message, span, fix=one.hint)
            yield replace(found, rule=rule)

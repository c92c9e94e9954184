"""Replaces nodes of type `import` by the graphs of other files, recursively."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.declarations.inputs import read_inputs
from attractor.language.diagnostics import (
    Diagnostic,
    UnreadablePipeline,
    error,
    report_mistakes,
    warning,
)
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    NAMING_KEYS,
    RETRY_TARGETS,
    AttributeOwner,
)
from attractor.language.graph.builder import MOST_CLASSES_AROUND, derived_class, split_classes
from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.preparation.prepare import (
    Files,
    TransformContext,
    built_in_transforms,
    path_below,
    transform_registry,
)
from attractor.language.reading import decode, read_graph
from attractor.language.source.syntax_tree import Attribute, Attributes, Value, ValueKind, quoted
from attractor.language.source.text import Source, quote

_CHOICE = "human.default_choice"
_CLUSTER = "cluster"
_PASSING_THROUGH = Attribute("shape", Value.of("diamond"))
Rename = Callable[[str], str]


def prefixed(placeholder: str, id_: str) -> str:
    """Return the id of a node of an imported graph."""
    return f"{placeholder}__{id_}"


def graft(graph: Graph, pieces: Mapping[str, Graph]) -> Graph:
    """Return a graph with nodes replaced by graphs.

    Start and exit of an imported graph become conditionals, which are transparent (ruling R1).
    """
    if not pieces:
        return graph
    firsts = {id_: prefixed(id_, piece.starts[0].id) for id_, piece in pieces.items()}
    lasts = {id_: prefixed(id_, piece.exits[0].id) for id_, piece in pieces.items()}
    nodes: dict[str, Node] = {}
    for node in graph.nodes.values():
        for kept in _imported(graph, node, pieces) if node.id in pieces else [node]:
            attributes = _retargeted(kept.attributes, lambda id_: firsts.get(id_, id_))
            is_same = attributes is kept.attributes
            nodes[kept.id] = kept if is_same else replace(kept, attributes=attributes)
    edges: list[Edge] = []
    for edge in graph.edges:
        source, target = lasts.get(edge.source, edge.source), firsts.get(edge.target, edge.target)
        is_moved = (source, target) != (edge.source, edge.target)
        edges.append(replace(edge, source=source, target=target) if is_moved else edge)
    for id_, piece in pieces.items():
        for edge in piece.edges:
            source, target = prefixed(id_, edge.source), prefixed(id_, edge.target)
            edges.append(replace(edge, source=source, target=target))
    return replace(
        graph,
        nodes=nodes,
        edges=tuple(edges),
        attributes=_retargeted(graph.attributes, lambda id_: firsts.get(id_, id_)),
        subgraphs=_subgraphs(graph, pieces),
    )


def _imported(graph: Graph, placeholder: Node, pieces: Mapping[str, Graph]) -> Iterator[Node]:
    piece = pieces[placeholder.id]
    ends = {piece.starts[0].id, piece.exits[0].id}
    around = [*_classes_around(graph, placeholder), derived_class(placeholder.label)]
    for node in piece.nodes.values():
        attributes = node.attributes
        if node.id in ends:
            kept = {key: value for key, value in attributes.by_key.items() if key != "type"}
            attributes = Attributes({**kept, "shape": _PASSING_THROUGH})
        # Node ids in attributes are renamed like the nodes of the imported graph.
        keys = NAMING_KEYS if attributes.text(_CHOICE) in piece.nodes else RETRY_TARGETS
        own = split_classes(node.attributes.text("class"))
        derived = [one for one in (*around, *node.classes) if one and one not in own]
        yield replace(
            node,
            id=prefixed(placeholder.id, node.id),
            attributes=_retargeted(attributes, partial(prefixed, placeholder.id), keys),
            classes=tuple(dict.fromkeys([*own, *derived[-MOST_CLASSES_AROUND:]])),
        )


def _retargeted(
    attributes: Attributes, rename: Rename, keys: Iterable[str] = NAMING_KEYS
) -> Attributes:
    for key in keys:
        attribute = attributes.by_key.get(key)
        target = str(attribute.value) if attribute else ""
        if attribute and target and rename(target) != target:
            value = replace(Value.of(rename(target)), span=attribute.value.span)
            attributes = attributes.replaced(key, value)
    return attributes


def _parent(graph: Graph, placeholder: str) -> int:
    places = (at for at, one in enumerate(graph.subgraphs) if placeholder in one.nodes)
    return next(places, -1)


def _classes_around(graph: Graph, placeholder: Node) -> Sequence[str]:
    """Return the classes of the subgraphs around a placeholder, outermost first."""
    classes: list[str] = []
    at = _parent(graph, placeholder.id)
    while at >= 0 and len(classes) < MOST_CLASSES_AROUND:
        derived = derived_class(graph.subgraphs[at].label)
        classes += [derived] if derived else []
        at = graph.subgraphs[at].parent
    return classes[::-1]


def _subgraphs(graph: Graph, pieces: Mapping[str, Graph]) -> tuple[Subgraph, ...]:
    """Return all subgraphs, with a cluster around each imported graph."""
    found = [
        replace(subgraph, nodes=tuple(id_ for id_ in subgraph.nodes if id_ not in pieces))
        for subgraph in graph.subgraphs
    ]
    for placeholder, piece in pieces.items():
        found.append(_cluster(graph.nodes[placeholder], piece, _parent(graph, placeholder)))
        first = len(found)
        for subgraph in piece.subgraphs:
            id_ = prefixed(placeholder, subgraph.id) if subgraph.id else ""
            # Graphviz draws a box for this prefix, and one box for two clusters of the same name.
            if subgraph.id.startswith(_CLUSTER):
                name = subgraph.id.removeprefix(_CLUSTER).lstrip("_")
                id_ = f"{_CLUSTER}_{prefixed(placeholder, name)}"
            parent = first - 1 if subgraph.parent < 0 else first + subgraph.parent
            nodes = tuple(prefixed(placeholder, node) for node in subgraph.nodes)
            found.append(replace(subgraph, id=id_, nodes=nodes, parent=parent))
    return _in_order(found)


def _cluster(placeholder: Node, piece: Graph, parent: int) -> Subgraph:
    inside = {id_ for subgraph in piece.subgraphs for id_ in subgraph.nodes}
    nodes = tuple(prefixed(placeholder.id, id_) for id_ in piece.nodes if id_ not in inside)
    label = placeholder.attributes.by_key.get("label") or Attribute(
        "label", Value.of(placeholder.label)
    )
    attributes = Attributes({"label": label})
    return Subgraph(f"{_CLUSTER}_{placeholder.id}", attributes, nodes, parent, placeholder.span)


def _in_order(subgraphs: Sequence[Subgraph]) -> tuple[Subgraph, ...]:
    """Return subgraphs in the order of their beginnings."""
    within: dict[int, list[int]] = {}
    for at, subgraph in enumerate(subgraphs):
        within.setdefault(subgraph.parent, []).append(at)
    places: dict[int, int] = {-1: -1}
    waiting = within.get(-1, [])[::-1]
    while waiting:
        at = waiting.pop()
        places[at] = len(places) - 1
        waiting += within.get(at, [])[::-1]
    return tuple(
        replace(subgraphs[at], parent=places[subgraphs[at].parent]) for at in list(places)[1:]
    )


_NAMED_OTHERWISE = {
    "default_max_retries": "max_retries",
    "default_fidelity": "fidelity",
    "max_node_visits": "max_visits",
}
_PATHS = ("prompt", "tool_command", "receipt")
_NOT_HANDED_DOWN = frozenset({"label", "inputs", *RETRY_TARGETS})


def hand_down(graph: Graph, context: TransformContext) -> Graph:
    """Return a graph in which all nodes except start and exit inherit the attributes of
    the graph.
    """
    styled = transform_registry()["stylesheet"](context).apply(graph)
    ends = {one.id for one in (*graph.starts, *graph.exits)}
    by_key = graph.attributes.by_key
    # By the names of the attributes on a node.
    defaults: dict[str, Attribute] = {}
    for key, attribute in by_key.items():
        known, on_nodes = ATTRIBUTES.get(key), _NAMED_OTHERWISE.get(key, key)
        if known is None or key in _NOT_HANDED_DOWN:
            continue
        if on_nodes != key or AttributeOwner.NODE in known.places:
            defaults[on_nodes] = Attribute(on_nodes, attribute.value, attribute.span)
    targets = {key: by_key[key] for key in by_key if key in RETRY_TARGETS}
    nodes = {
        node.id: node if node.id in ends else _with_defaults(node, defaults, targets)
        for node in styled.nodes.values()
    }
    return replace(styled, nodes=nodes)


def moved(graph: Graph, folder: str) -> Graph:
    """Return a graph from another folder, with paths made relative to the importing folder."""
    if not folder:
        return graph
    return replace(graph, nodes={node.id: _moved(node, folder) for node in graph.nodes.values()})


def merge_lists(graph: Graph, imported: Iterable[Graph]) -> Graph:
    """Return a graph, with the inputs and requirements of its imported graphs added."""
    attributes = graph.attributes
    for piece in imported:
        for key, entries in _LISTS.items():
            theirs, ours = piece.attributes.value(key), attributes.value(key)
            if theirs is not None:
                first = ours or theirs
                # The entry of the importing graph wins.
                merged = {**entries(str(first)), **entries(str(theirs)), **entries(str(first))}
                text = ", ".join(merged.values())
                value = Value(ValueKind.STRING, text, first.text, first.span)
                attributes = attributes.replaced(key, value)
    return graph if attributes is graph.attributes else replace(graph, attributes=attributes)


def _declarations(text: str) -> Mapping[str, str]:
    return {one.name: one.written for one in read_inputs(text).inputs}


def _needs(text: str) -> Mapping[str, str]:
    return {one.strip(): one.strip() for one in text.split(",") if one.strip()}


_LISTS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "inputs": _declarations,
    "requires": _needs,
}


def _with_defaults(
    node: Node, defaults: Mapping[str, Attribute], targets: Mapping[str, Attribute]
) -> Node:
    there = node.attributes.by_key
    missing = {key: one for key, one in defaults.items() if key not in there}
    if node.type == "tool":
        # On the node it would also retry a command that failed by its exit status (R3).
        missing.pop("max_retries", None)
    if node.is_goal_gate and there.keys().isdisjoint(RETRY_TARGETS):
        missing.update(targets)
    if not missing:
        return node
    return replace(node, attributes=Attributes({**there, **missing}))


def _moved(node: Node, folder: str) -> Node:
    attributes = node.attributes
    file = attributes.value("file") if node.type == "pipeline" else None
    if file and not str(file).startswith("/"):
        name = path_below(folder, str(file).strip())
        attributes = attributes.replaced(
            "file", Value(ValueKind.STRING, name, quoted(name), file.span)
        )
    for key in _PATHS:
        value = attributes.value(key)
        text = str(value) if value else ""
        if value and text.startswith("@") and not text.startswith(("@@", "@/")):
            name = path_below(folder, text[1:])
            path = Value(ValueKind.STRING, f"@{name}", quoted(f"@{name}"), value.span)
            attributes = attributes.replaced(key, path)
    return node if attributes is node.attributes else replace(node, attributes=attributes)


_RULE = "import_file"
_TYPE = "import"
_ORDER = 10
_DEEPEST = 50
# Files that import each other twice on every level would fill the memory.
_MOST_NODES = 20_000
_PATH = "use a path relative to the folder of this file"
# Attributes of stages, which have no effect on an import.
_WITHOUT_MEANING = ("goal_gate", *RETRY_TARGETS, "max_visits", "prompt")


def import_files(graph: Graph, context: TransformContext, files: Files) -> Graph:
    """Return the graph with every import replaced; an import of an invalid file is kept as a
    placeholder.
    """
    return _Importing(graph, context, files).finish()


@dataclass
class _Opened:
    """A file whose imports are being read.

    The file name is relative to the folder of the first file.
    """

    name: str
    graph: Graph
    waiting: list[Node]
    taken: set[str]
    pieces: dict[str, Graph] = field(default_factory=dict[str, Graph])


class _Trouble(NamedTuple):
    """The reason why a file cannot be imported, and a fix."""

    message: str
    fix: str


class _Importing:
    """A traversal of imported files, without recursion."""

    def __init__(self, graph: Graph, context: TransformContext, files: Files) -> None:
        self._context = context
        self._files = files
        self._folder = posixpath.dirname(graph.span.file)
        self._before = [make(context) for make in built_in_transforms() if make.order < _ORDER]
        self._opened = [_opened(posixpath.basename(graph.span.file), graph)]
        self._done: dict[str, Graph | None] = {}

    def finish(self) -> Graph:
        """Read every file, and insert each into the file that imports it."""
        while True:
            last = self._opened[-1]
            if last.waiting:
                self._take(last, last.waiting[-1])
                continue
            graph = graft(merge_lists(last.graph, last.pieces.values()), last.pieces)
            self._opened.pop()
            if not self._opened:
                return graph
            self._done[last.name] = hand_down(graph, self._context)

    def _take(self, importing: _Opened, placeholder: Node) -> None:
        """Insert an import; if necessary, read the file of the import first."""
        folder, file = posixpath.dirname(importing.name), placeholder.attributes.value("file")
        name = path_below(folder, str(file or ""))
        trouble = self._trouble(placeholder, name)
        if trouble is None and name not in self._done:
            trouble = self._open(name)
            if self._opened[-1] is not importing:
                return
        importing.waiting.pop()
        trouble = trouble or self._place(importing, placeholder, self._done[name], name)
        if trouble:
            span = file.span if file and file.span.is_somewhere else placeholder.span
            found = error(trouble.message, span, node=placeholder.id, fix=trouble.fix)
            self._context.report(found, rule=_RULE)

    def _trouble(self, placeholder: Node, name: str) -> _Trouble | None:
        """Return why a file cannot be imported, if the reason is known before reading the file."""
        file = placeholder.attributes.text("file")
        names = [one.name for one in self._opened]
        if not file:
            return _Trouble("the import has no file", 'add file="other.dot"')
        if file.startswith("/"):
            message = f"{quote(file)} is an absolute path"
            return _Trouble(message, _PATH)
        if name in names:
            chain = " -> ".join([*names[names.index(name) :], name])
            return _Trouble(f"circular import: {chain}", "remove one of these imports")
        if len(names) > _DEEPEST:
            message = f"more than {_DEEPEST} nested imports"
            return _Trouble(message, "nest imports less deeply")
        return None

    def _open(self, name: str) -> _Trouble | None:
        """Read a file, but not the files that it imports; or return why the file cannot be read."""
        try:
            text = decode(self._files.read(name), file=name)
        except UnreadablePipeline as unreadable:
            return _Trouble(unreadable.message, unreadable.hint or _PATH)
        graph, found, _ = read_graph(Source(text, path_below(self._folder, name)))
        for diagnostic in found:
            self._context.report(diagnostic, rule=diagnostic.rule)
        if graph is None:
            self._done[name] = None
            return None
        for transform in self._before:
            graph = transform.apply(graph)
        for diagnostic in _mistakes(graph):
            self._context.report(diagnostic, rule=diagnostic.rule)
        self._opened.append(_opened(name, moved(graph, posixpath.dirname(name))))
        return None

    def _place(
        self, importing: _Opened, placeholder: Node, piece: Graph | None, name: str
    ) -> _Trouble | None:
        """Record a graph for a placeholder, or return why the graph cannot be inserted."""
        if piece is None:
            message = f"invalid pipeline {name}: its errors are listed separately"
            return _Trouble(message, f"fix {name}")
        shortcoming = _shortcoming(piece, name)
        if shortcoming:
            return shortcoming
        ids = {prefixed(placeholder.id, id_) for id_ in piece.nodes}
        clash = min(ids & importing.taken, default="")
        if clash:
            message = f"duplicate id {quote(clash)} after the import"
            return _Trouble(message, "rename the other node")
        if len(importing.taken) + len(ids) > _MOST_NODES:
            return _Trouble(
                f"the imports have more than {_MOST_NODES:,} nodes", "import fewer nodes"
            )
        importing.taken.update(ids)
        importing.pieces[placeholder.id] = piece
        for key in _WITHOUT_MEANING:
            attribute = placeholder.attributes.by_key.get(key)
            if attribute is not None:
                message = f"{key} has no effect on an import"
                fix = "set it on a node of the imported file"
                found = warning(message, attribute.span, node=placeholder.id, fix=fix)
                self._context.report(found, rule=_RULE)
        return None


def _opened(name: str, graph: Graph) -> _Opened:
    # A stack, reversed so that the first import is processed first.
    return _Opened(name, graph, [*graph.of_type(_TYPE)][::-1], set(graph.nodes))


def _shortcoming(graph: Graph, name: str) -> _Trouble | None:
    """Return why a graph cannot replace a node."""
    for end, nodes in (("start", graph.starts), ("exit", graph.exits)):
        if len(nodes) != 1:
            message = f"{name} has {len(nodes) or 'no'} {end} node{'s' if nodes else ''}"
            return _Trouble(message, f"give {name} one {end} node")
    return None


def _mistakes(graph: Graph) -> Iterator[Diagnostic]:
    """Yield the errors in attributes that the import removes before the rules run."""
    sheet, inputs = (graph.attributes.value(key) for key in ("model_stylesheet", "inputs"))
    if sheet and str(sheet).strip():
        # Few pipelines have imports with a stylesheet.
        from attractor.language.declarations.stylesheet import read_stylesheet

        for found in report_mistakes(sheet, read_stylesheet(str(sheet)).mistakes):
            yield replace(found, rule="stylesheet_syntax")
    if inputs:
        mistakes = read_inputs(str(inputs)).mistakes
        for found in report_mistakes(inputs, mistakes, prefix="inputs: "):
            yield replace(found, rule="known_input")

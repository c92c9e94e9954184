"""Writes what an imported graph says of all its stages onto each of them."""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from attractor.language.attributes import ATTRIBUTES, Place
from attractor.language.graph import Graph, Node
from attractor.language.inputs import read_inputs
from attractor.language.surroundings import Surroundings
from attractor.language.transforms.stylesheet import StylesheetApplication
from attractor.language.values import Attribute, Attributes, Value, ValueKind, quoted

_NAMED_OTHERWISE = {
    "default_max_retries": "max_retries",
    "default_fidelity": "fidelity",
    "max_node_visits": "max_visits",
}
_TARGETS = ("retry_target", "fallback_retry_target")
_PATHS = ("prompt", "tool_command")
_NOT_HANDED_DOWN = frozenset({"label", "inputs", *_TARGETS})


def hand_down(graph: Graph, around: Surroundings) -> Graph:
    """Return a graph whose nodes say all that it says of them, but for its start and exit."""
    styled = StylesheetApplication(around).apply(graph)
    ends = {one.id for one in (*graph.starts, *graph.exits)}
    defaults = dict(_defaults(graph))
    targets = {key: one for key, one in graph.attributes.by_key.items() if key in _TARGETS}
    nodes = {
        node.id: node if node.id in ends else _told(node, defaults, targets)
        for node in styled.nodes.values()
    }
    return replace(styled, nodes=nodes)


def moved(graph: Graph, folder: str) -> Graph:
    """Return a graph of another folder with the paths in it written from ours."""
    if not folder:
        return graph
    return replace(graph, nodes={node.id: _moved(node, folder) for node in graph.nodes.values()})


def merge_lists(graph: Graph, imported: Iterable[Graph]) -> Graph:
    """Return a graph that also asks for the inputs and needs of those that it imports."""
    attributes = graph.attributes
    for piece in imported:
        for key, entries in _LISTS.items():
            theirs, ours = piece.attributes.value(key), attributes.value(key)
            if theirs is not None:
                attributes = attributes.replaced(key, _merged(entries, ours, theirs))
    return graph if attributes is graph.attributes else replace(graph, attributes=attributes)


def _merged(entries: "_Entries", ours: Value | None, theirs: Value) -> Value:
    first = ours or theirs
    # What the importing graph says of a name counts.
    merged = {**entries(str(first)), **entries(str(theirs)), **entries(str(first))}
    return Value(ValueKind.STRING, ", ".join(merged.values()), first.text, first.span)


def _declarations(text: str) -> Mapping[str, str]:
    return {one.name: one.written for one in read_inputs(text).inputs}


def _needs(text: str) -> Mapping[str, str]:
    return {one.strip(): one.strip() for one in text.split(",") if one.strip()}


_Entries = Callable[[str], Mapping[str, str]]
_LISTS: Mapping[str, _Entries] = {"inputs": _declarations, "requires": _needs}


def _defaults(graph: Graph) -> Iterator[tuple[str, Attribute]]:
    """Yield what a graph says of its nodes, each by the name that it has on a node."""
    for key, attribute in graph.attributes.by_key.items():
        known = ATTRIBUTES.get(key)
        on_nodes = _NAMED_OTHERWISE.get(key, key)
        if known is None or key in _NOT_HANDED_DOWN:
            continue
        if on_nodes != key or Place.NODE in known.places:
            yield on_nodes, Attribute(on_nodes, attribute.value, attribute.span)


def _told(node: Node, defaults: Mapping[str, Attribute], targets: Mapping[str, Attribute]) -> Node:
    there = node.attributes.by_key
    missing = {key: one for key, one in defaults.items() if key not in there}
    if node.type == "tool":
        # On the node itself it would also try a command again that has given its verdict (R3).
        missing.pop("max_retries", None)
    if node.is_goal_gate and there.keys().isdisjoint(_TARGETS):
        missing.update(targets)
    if not missing:
        return node
    return replace(node, attributes=Attributes({**there, **missing}))


def _moved(node: Node, folder: str) -> Node:
    attributes = node.attributes
    file = attributes.value("file") if node.type == "pipeline" else None
    if file and not str(file).startswith("/"):
        name = posixpath.normpath(posixpath.join(folder, str(file).strip()))
        attributes = attributes.replaced(
            "file", Value(ValueKind.STRING, name, quoted(name), file.span)
        )
    for key in _PATHS:
        value = attributes.value(key)
        text = str(value) if value else ""
        if value and text.startswith("@") and not text.startswith(("@@", "@/")):
            name = posixpath.normpath(posixpath.join(folder, text[1:]))
            path = Value(ValueKind.STRING, f"@{name}", quoted(f"@{name}"), value.span)
            attributes = attributes.replaced(key, path)
    return node if attributes is node.attributes else replace(node, attributes=attributes)

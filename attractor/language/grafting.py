"""Puts graphs in place of nodes of another graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from attractor.language.graph import Edge, Graph, Node, Subgraph
from attractor.language.resolving import MOST_CLASSES_AROUND, derived_class, split_classes
from attractor.language.values import Attribute, Attributes, Value

_RETRY_TARGETS = ("retry_target", "fallback_retry_target")
_CHOICE = "human.default_choice"
_CLUSTER = "cluster"
_PASSING_THROUGH = Attribute("shape", Value.of("diamond"))

Rename = Callable[[str], str]


def prefixed(placeholder: str, id_: str) -> str:
    """Return the id that a node of an imported graph goes by."""
    return f"{placeholder}__{id_}"


def graft(graph: Graph, pieces: Mapping[str, Graph]) -> Graph:
    """Return a graph with others in place of some of its nodes.

    Start and exit of an imported graph become conditionals, which are transparent (ruling R1).
    """
    if not pieces:
        return graph
    firsts = {id_: prefixed(id_, piece.starts[0].id) for id_, piece in pieces.items()}
    lasts = {id_: prefixed(id_, piece.exits[0].id) for id_, piece in pieces.items()}
    nodes: dict[str, Node] = {}
    for node in graph.nodes.values():
        for one in _imported(graph, node, pieces) if node.id in pieces else [node]:
            attributes = _retargeted(one.attributes, lambda id_: firsts.get(id_, id_))
            nodes[one.id] = (
                one if attributes is one.attributes else replace(one, attributes=attributes)
            )
    return replace(
        graph,
        nodes=nodes,
        edges=tuple(_edges(graph, pieces, firsts, lasts)),
        attributes=_retargeted(graph.attributes, lambda id_: firsts.get(id_, id_)),
        subgraphs=_subgraphs(graph, pieces),
    )


def _edges(
    graph: Graph, pieces: Mapping[str, Graph], firsts: Mapping[str, str], lasts: Mapping[str, str]
) -> Iterator[Edge]:
    for edge in graph.edges:
        source, target = lasts.get(edge.source, edge.source), firsts.get(edge.target, edge.target)
        is_moved = (source, target) != (edge.source, edge.target)
        yield replace(edge, source=source, target=target) if is_moved else edge
    for id_, piece in pieces.items():
        for edge in piece.edges:
            source, target = prefixed(id_, edge.source), prefixed(id_, edge.target)
            yield replace(edge, source=source, target=target)


def _imported(graph: Graph, placeholder: Node, pieces: Mapping[str, Graph]) -> Iterator[Node]:
    piece = pieces[placeholder.id]
    ends = {piece.starts[0].id, piece.exits[0].id}
    around = [*_classes_around(graph, placeholder), derived_class(placeholder.label)]
    for node in piece.nodes.values():
        attributes = _passing_through(node) if node.id in ends else node.attributes
        own = split_classes(node.attributes.text("class"))
        derived = [one for one in (*around, *node.classes) if one and one not in own]
        yield replace(
            node,
            id=prefixed(placeholder.id, node.id),
            attributes=_renamed(attributes, placeholder.id, piece),
            classes=tuple(dict.fromkeys([*own, *derived[-MOST_CLASSES_AROUND:]])),
        )


def _passing_through(node: Node) -> Attributes:
    kept = {key: one for key, one in node.attributes.by_key.items() if key != "type"}
    return Attributes({**kept, "shape": _PASSING_THROUGH})


def _renamed(attributes: Attributes, placeholder: str, piece: Graph) -> Attributes:
    """Return attributes whose targets are those of the imported graph, be they there or not."""
    choice = attributes.text(_CHOICE)
    renamed = _retargeted(attributes, lambda id_: prefixed(placeholder, id_), keys=_RETRY_TARGETS)
    if choice in piece.nodes:
        renamed = _retargeted(renamed, lambda id_: prefixed(placeholder, id_), keys=(_CHOICE,))
    return renamed


def _retargeted(
    attributes: Attributes, rename: Rename, keys: Sequence[str] = (*_RETRY_TARGETS, _CHOICE)
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
    """Return the classes that the subgraphs around a placeholder give, the outermost first."""
    classes: list[str] = []
    at = _parent(graph, placeholder.id)
    while at >= 0 and len(classes) < MOST_CLASSES_AROUND:
        derived = derived_class(graph.subgraphs[at].label)
        classes += [derived] if derived else []
        at = graph.subgraphs[at].parent
    return classes[::-1]


def _subgraphs(graph: Graph, pieces: Mapping[str, Graph]) -> tuple[Subgraph, ...]:
    """Return the subgraphs of all, with a cluster around each imported graph."""
    found = [
        replace(one, nodes=tuple(id_ for id_ in one.nodes if id_ not in pieces))
        for one in graph.subgraphs
    ]
    for id_, piece in pieces.items():
        found.append(_cluster(graph.nodes[id_], piece, _parent(graph, id_)))
        first = len(found)
        for one in piece.subgraphs:
            parent = first - 1 if one.parent < 0 else first + one.parent
            nodes = tuple(prefixed(id_, node) for node in one.nodes)
            found.append(
                replace(one, id=_renamed_subgraph(id_, one.id), nodes=nodes, parent=parent)
            )
    return _in_order(found)


def _cluster(placeholder: Node, piece: Graph, parent: int) -> Subgraph:
    inside = {id_ for one in piece.subgraphs for id_ in one.nodes}
    nodes = tuple(prefixed(placeholder.id, id_) for id_ in piece.nodes if id_ not in inside)
    label = placeholder.attributes.by_key.get("label") or Attribute(
        "label", Value.of(placeholder.label)
    )
    attributes = Attributes({"label": label})
    return Subgraph(f"{_CLUSTER}_{placeholder.id}", attributes, nodes, parent, placeholder.span)


def _renamed_subgraph(placeholder: str, id_: str) -> str:
    # Graphviz draws a box for a name that begins so, and one box for two of the same name.
    if id_.startswith(_CLUSTER):
        return f"{_CLUSTER}_{prefixed(placeholder, id_.removeprefix(_CLUSTER).lstrip('_'))}"
    return prefixed(placeholder, id_) if id_ else ""


def _in_order(subgraphs: Sequence[Subgraph]) -> tuple[Subgraph, ...]:
    """Return subgraphs in the order in which they would begin in a text."""
    within: dict[int, list[int]] = {}
    for at, one in enumerate(subgraphs):
        within.setdefault(one.parent, []).append(at)
    places: dict[int, int] = {-1: -1}
    waiting = within.get(-1, [])[::-1]
    while waiting:
        at = waiting.pop()
        places[at] = len(places) - 1
        waiting += within.get(at, [])[::-1]
    return tuple(
        replace(subgraphs[at], parent=places[subgraphs[at].parent]) for at in list(places)[1:]
    )

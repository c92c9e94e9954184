"""Turns desires into nodes of a specification by a table, without a model (ruling G4)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from attractor.base.json import Json
from attractor.growth.desires import UserDesire
from attractor.growth.errors import InvalidDesire
from attractor.growth.specification.clarifications import question_text
from attractor.growth.specification.document import by_rule, graph_of
from attractor.growth.specification.graph import (
    ROOT,
    Relation,
    SpecEdge,
    SpecGraph,
    SpecNode,
    free_id,
)
from attractor.growth.specification.node_kind import node_kinds
from attractor.growth.specification.store import desire_of

KIND_OF_FIELD: Mapping[str, str] = {
    "trusted_sources": "source",
    "outputs": "output",
    "constraints": "guardrail",
    "preferences": "preference",
}
"""The kind of node that each line of a desire becomes in the first specification of an app.

Also, the goal of the first desire is the purpose, and the cadence is that of the deployment.
"""


def normalize_desires(desires: Sequence[UserDesire]) -> SpecGraph:
    """Return the first specification of an app from desires."""
    if not desires:
        raise InvalidDesire("there is no desire", hint="write at least one with a goal")
    graph = graph_of({"identity": {"purpose": desires[0].goal}}, source="the desire")
    desires = tuple(dict.fromkeys(desires))
    graph, ids = add_desires(graph, desires)
    graph = graph.replace(replace(graph.root, provenance=by_rule(ids[0], desires[0].goal)))
    for id_, desire in zip(ids, desires, strict=True):
        for field, kind in KIND_OF_FIELD.items():
            for words in getattr(desire, field):
                graph = _derive(graph, kind, words, id_)
    given = {one.cadence: id_ for id_, one in zip(ids, desires, strict=True) if one.cadence}
    if not given:
        return graph
    cadence = next(iter(given)) if len(given) == 1 else question_text(f"{' or '.join(given)}?")
    node = replace(graph["deployment"], provenance=by_rule(next(iter(given.values())), cadence))
    return graph.replace(node.with_fields(cadence=cadence))


def add_desires(
    graph: SpecGraph, desires: Iterable[UserDesire]
) -> tuple[SpecGraph, tuple[str, ...]]:
    """Return the graph with desires as nodes, and their ids; an equal desire is not added again."""
    ids: list[str] = []
    for desire in desires:
        known = {desire_of(one): one.id for one in graph.of_kind("desire")}
        if desire not in known:
            id_ = free_id(desire.goal, "desire", graph.__contains__)
            fields: dict[str, Json] = desire.to_dict()  # pyright: ignore[reportAssignmentType]
            fields = {"name": fields.pop("goal"), **fields}
            node = SpecNode(id_, "desire", fields, (), by_rule(id_, desire.goal))
            graph = _append(graph, ROOT, node)
            known[desire] = id_
        ids.append(known[desire])
    return graph, tuple(dict.fromkeys(ids))


def _derive(graph: SpecGraph, kind: str, words: str, desire: str) -> SpecGraph:
    """Return the graph with a node for a line of a desire; equal words are one node."""
    parent = node_kinds()[kind].parent
    for node in graph.children(parent, kind):
        if node.name.casefold() == words.casefold():
            origins = dict.fromkeys((*node.targets(Relation.DERIVES_FROM), desire))
            return graph.replace(node.with_targets(Relation.DERIVES_FROM, origins))
    id_ = free_id(words, kind, graph.__contains__)
    edges = (SpecEdge(Relation.DERIVES_FROM, desire),)
    return _append(
        graph, parent, SpecNode(id_, kind, {"name": words}, edges, by_rule(desire, words))
    )


def _append(graph: SpecGraph, parent: str, node: SpecNode) -> SpecGraph:
    children = (*graph.children_ids(parent), node.id)
    return graph.replace(node, graph[parent].with_targets(Relation.CONTAINS, children))

"""Checks that a specification graph is one tree whose nodes make sense."""

from attractor.base.cron import InvalidCron, parse_cron
from attractor.base.json import Json
from attractor.growth.errors import InvalidSpec
from attractor.growth.specification.graph import ROOT, Relation, SpecGraph, SpecNode
from attractor.growth.specification.limits import read_limit


def check_graph(graph: SpecGraph) -> None:
    """Raise InvalidSpec unless every relation leads to a node and all nodes form one tree.

    The times of schedules, the operations of sources and the limits of entities are valid.
    """
    for node in graph.values():
        _check_node(graph, node)
    if ROOT not in graph:
        raise InvalidSpec(f"missing node {ROOT!r}")
    reached: set[str] = set()
    waiting = [ROOT]
    while waiting:
        id_ = waiting.pop()
        if id_ in reached:
            raise InvalidSpec(f"{id_!r} is contained twice")
        reached.add(id_)
        waiting += graph.children_ids(id_)
    lost = sorted(graph.keys() - reached)
    if lost:
        raise InvalidSpec(f"{lost[0]!r} is contained in no node")


def _check_node(graph: SpecGraph, node: SpecNode) -> None:
    for edge in node.edges:
        if edge.to not in graph:
            raise InvalidSpec(f"{node.id}: {edge.relation} leads to unknown node {edge.to!r}")
    if node.kind == "schedule" and "when" in node.fields:
        try:
            parse_cron(str(node.fields["when"]))
        except InvalidCron as cause:
            raise InvalidSpec(f"{node.id}: {cause}") from cause
    if node.kind == "source" and node.contained:
        check_adapter(graph, node)
    if node.kind == "limit" and node.id in graph.parents:
        read_limit(graph, node)
    if node.kind == "panel":
        _check_sums(graph, node)


def _check_sums(graph: SpecGraph, panel: SpecNode) -> None:
    """Raise InvalidSpec unless a panel sums numbers that it shows, in one unit each."""
    units: dict[str, Json] = {}
    for id_ in panel.targets(Relation.SUMS):
        entity, _, name = id_.partition(".")
        field = graph[id_].fields
        if field.get("type") not in ("integer", "number"):
            hint = "give the field the type number or integer"
            raise InvalidSpec(f"panel {panel.id}: {id_} is no number to sum", hint=hint)
        if entity not in panel.targets(Relation.SHOWS):
            fault = f"panel {panel.id}: it sums {id_}, and does not show {entity}"
            raise InvalidSpec(fault, hint="name a field of what it shows")
        if units.setdefault(name, field.get("unit", "")) != field.get("unit", ""):
            fault = f"panel {panel.id}: {name} is in more than one unit, which have no sum"
            raise InvalidSpec(fault, hint="make a panel for each entity")


def check_adapter(graph: SpecGraph, source: SpecNode) -> None:
    """Raise InvalidSpec unless the operations of a source are valid."""
    # Imported here: few specifications declare adapters, and HTTP is slow to import.
    from attractor.growth.declared_adapter import read_adapter

    read_adapter(source.id, {one.id: one.fields for one in graph.children(source.id)})

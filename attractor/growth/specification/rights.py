"""What a role may see, do and edit. A role without any of these may see everything."""

from collections.abc import Iterator

from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode

RIGHTS = (Relation.SEES, Relation.DOES, Relation.EDITS)
_SHOWN = (Relation.SHOWS, Relation.READS)


def sees_all(role: SpecNode) -> bool:
    """Return whether a role is only a name: it may see everything, and do nothing."""
    return role.kind == "role" and not any(role.targets(relation) for relation in RIGHTS)


def may_see(role: SpecNode, id_: str) -> bool:
    """Return whether a role may see a node; what it edits, it sees."""
    seen = (*role.targets(Relation.SEES), *role.targets(Relation.EDITS))
    return sees_all(role) or id_ in seen


def ways_to(graph: SpecGraph, node: SpecNode, relation: Relation, target: str) -> Iterator[str]:
    """Yield how a node has a relation: itself, or as a role by what it sees and does."""
    if target in node.targets(relation) or (relation is Relation.SEES and may_see(node, target)):
        yield f"{node.id} {relation} {target}"
    elif relation is Relation.SEES:
        for id_ in node.targets(Relation.SEES):
            if target in _shown_by(graph, id_):
                yield f"{node.id} sees {id_}, which shows {target}"
    elif relation is Relation.DOES:
        for id_ in node.targets(Relation.DOES):
            if _steps_of(graph, id_) & _steps_of(graph, target):
                yield f"{node.id} does {id_}, which runs steps of {target}"


def _shown_by(graph: SpecGraph, id_: str) -> set[str]:
    """Return what a panel or an output shows, with the entities of fields and outputs."""
    found: set[str] = set()
    waiting = [id_]
    while waiting:
        shown = graph.get(waiting.pop())
        targets = [to for relation in _SHOWN for to in shown.targets(relation)] if shown else []
        owners = [graph.parents[to] for to in targets if to in graph and graph[to].kind == "field"]
        waiting += {*targets, *owners} - found
        found |= {*targets, *owners}
    return found


def _steps_of(graph: SpecGraph, id_: str) -> set[str]:
    """Return the steps that a pipeline or an action runs."""
    node = graph.get(id_)
    runs = node.targets(Relation.RUNS) if node and node.kind == "action" else (id_,)
    steps = {step.id for one in runs if one in graph for step in graph.children(one, "step")}
    return steps | {one for one in runs if one in graph and graph[one].kind == "step"}

"""What a role may see, do and edit. A role without any of these may see everything."""

from collections.abc import Iterator

from attractor.growth.errors import InvalidSpec
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


def is_restricted(graph: SpecGraph, id_: str) -> bool:
    """Return whether a field is seen only by the roles that name it."""
    return graph[id_].kind == "field" and any(
        role.kind == "role" for role in graph.sources(id_, Relation.SEES)
    )


def require_no_key(graph: SpecGraph, role: SpecNode) -> None:
    """Raise InvalidSpec if only some would see a key, which is part of addresses and references."""
    for id_ in role.targets(Relation.SEES):
        if graph[id_].kind == "field" and graph[id_].fields.get("key") == "true":
            fault = f"role {role.id}: sees leads to the key {id_}, which everybody sees"
            raise InvalidSpec(fault, hint="name a field that is no key")


def told_by_steps(graph: SpecGraph) -> Iterator[str]:
    """Yield the steps that may tell others what only some see: they read and write all fields."""
    for step in graph.of_kind("step"):
        read = [
            field
            for entity in step.targets(Relation.READS)
            for field in graph.children_ids(entity)
            if is_restricted(graph, field)
        ]
        written = [
            one for one in step.targets(Relation.WRITES) if one not in step.targets(Relation.READS)
        ]
        if read and written:
            words = f"reads {', '.join(read)}, which only some see, and writes {', '.join(written)}"
            yield f"step {step.id} {words}"


def changed_sight(before: SpecGraph, after: SpecGraph) -> Iterator[str]:
    """Yield the fields that roles see no more, or from now on, because others name them or not."""
    for field in after.of_kind("field"):
        hides = is_restricted(after, field.id)
        if field.id not in before or hides == is_restricted(before, field.id):
            continue
        entity = after.parents[field.id]
        roles = sorted(
            role.id
            for role in after.of_kind("role")
            if any(ways_to(after, role, Relation.SEES, entity))
            and not (sees_all(role) or field.id in role.targets(Relation.SEES))
        )
        if roles:
            yield f"field {field.id}: {'hidden from' if hides else 'shown to'} {', '.join(roles)}"


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

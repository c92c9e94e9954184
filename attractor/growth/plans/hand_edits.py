"""A specification that was edited by hand, as morphs (ruling G14)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.growth.morph import Morph, read_morph
from attractor.growth.plans.plan import Proposal
from attractor.growth.specification.difference import ChangeKind, SpecChange, compare_specs
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from attractor.growth.specification.node_kind import relations_of
from attractor.growth.specification.rights import RIGHTS


@dataclass(frozen=True)
class HandEdits:
    """The morphs that make the edited specification, and the changes that have no morph."""

    proposal: Proposal
    without_morph: tuple[SpecChange, ...]


def morphs_of_edits(before: SpecGraph, after: SpecGraph) -> HandEdits:
    """Return the morphs that lead from a specification to the edited one.

    Each morph is applied; the changes without a morph are the difference that remains.
    """
    graph, morphs = before, list[Morph]()
    for record in _candidates(before, after):
        try:
            morph = read_morph(record)
            changed = morph.apply(graph)
        except AttractorError:
            continue
        # Several changes of a node are one morph.
        if morph not in morphs:
            morphs.append(morph)
        graph = changed
    remaining = compare_specs(graph, after)
    return HandEdits(Proposal(tuple(morphs)), tuple(remaining))


def _candidates(before: SpecGraph, after: SpecGraph) -> Iterator[Mapping[str, Any]]:
    """Yield morphs for the changes: removals first, and additions after the nodes that they use."""
    changes = compare_specs(before, after)
    removed = [one for one in changes if one.kind is ChangeKind.REMOVED]
    for change in sorted(removed, key=lambda one: _place(one.node_kind, list(_REMOVALS))):
        # The children of a removed node are removed with it.
        if change.node_kind in _REMOVALS and before.parents[change.id] in after:
            yield {"type": _REMOVALS[change.node_kind], **_removed(change)}
    added = [after[one.id] for one in changes if one.kind is ChangeKind.ADDED]
    # A gate guards the steps behind it, so they come first.
    added.sort(key=lambda one: (_place(one.kind, list(_ADDITIONS)), _is_gate(one)))
    for node in added:
        if node.kind in _ADDITIONS:
            yield _ADDITIONS[node.kind](after, node)
            yield from _values_of(node)
    for change in changes:
        yield from _changed(after, change)
    is_changed = {one.id: one.kind is ChangeKind.CHANGED for one in changes}
    roles = [one for one in after.of_kind("role") if is_changed.get(one.id)]
    yield from (_added_role(after, role) for role in roles)


def _values_of(node: SpecNode) -> Iterator[Mapping[str, Any]]:
    """Yield morphs for the values of a new node that its own morph does not set."""
    if node.kind == "step" and "strategy" in node.fields:
        yield {"type": "allocate", "step": node.id, "strategy": node.fields["strategy"]}
    if node.kind == "panel":
        yield from _arranged(node)
    if node.kind in ("step", "panel") and "body" in node.fields:
        yield {"type": "adopt_body", "node": node.id, "body": node.fields["body"]}


def _place(kind: str, order: Sequence[str]) -> int:
    return order.index(kind) if kind in order else len(order)


def _is_gate(node: SpecNode) -> bool:
    return node.kind == "step" and bool(node.targets(Relation.GUARDS))


_REMOVALS: Mapping[str, str] = {
    "pipeline": "remove_pipeline",
    "step": "remove_step",
    "limit": "drop_limit",
    "field": "drop_field",
    "entity": "drop_entity",
}


def _removed(change: SpecChange) -> Mapping[str, str]:
    if change.node_kind == "field":
        entity, _, field = change.id.partition(".")
        return {"entity": entity, "field": field}
    return {change.node_kind: change.id}


def _added_source(graph: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    if operations := [dict(one.fields) for one in graph.children(node.id, "operation")]:
        return {"type": "add_adapter", "name": node.name, "operations": operations}
    return {"type": "add_source", "name": node.name}


def _added_entity(graph: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    """Return the morph for an entity with its fields; those that it cannot write follow."""
    fields = [_new_field(one) for one in graph.children(node.id, "field")]
    return {"type": "add_entity", "name": node.name, "fields": [one for one in fields if one]}


def _new_field(field: SpecNode) -> str | Mapping[str, Any] | None:
    """Return a field of a new entity; none if it writes a default value out."""
    if set(field.fields) == {"name"}:
        return field.name
    if field.fields.get("type") == "text" or "false" in field.fields.values():
        return None
    flags = {one: True for one in ("key", "pii") if one in field.fields}
    return {
        "name": field.name,
        "type": field.fields.get("type", "text"),
        **flags,
        **_in_forms(field),
    }


def _in_forms(field: SpecNode) -> Mapping[str, Any]:
    """Return what forms and tables know of a field beside its type."""
    found: dict[str, Any] = {
        key: field.fields[key] for key in ("choices", "unit", "shown") if key in field.fields
    }
    if field.fields.get("required") == "true":
        found["required"] = True
    for entity in field.targets(Relation.REFERS_TO):
        found["refers_to"] = entity
    return found


def _added_field(graph: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    place = {"type": "add_field", "entity": graph.parents[node.id], "name": node.name}
    type_ = str(node.fields.get("type", "text"))
    flags = {one: node.fields.get(one) == "true" for one in ("pii", "key")}
    return {**place, "field_type": type_, **flags, **_in_forms(node)}


def _added_limit(graph: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    rules = {key: one == "true" if key == "unique" else one for key, one in node.fields.items()}
    place = {"entity": graph.parents[node.id], "of": node.targets(Relation.LIMITS)}
    return {"type": "add_limit", **rules, **place}


def _added_step(graph: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    """Return the morph for a step, after the previous step that is not a gate."""
    earlier = graph.sources(node.id, Relation.PRECEDES)
    while earlier and not _is_gate(node) and _is_gate(earlier[0]):
        earlier = graph.sources(earlier[0].id, Relation.PRECEDES)
    place = {"after": earlier[0].id} if earlier else {"pipeline": graph.parents[node.id]}
    reads = {"name": node.name, "reads": list(node.targets(Relation.READS)), **place}
    if _is_gate(node):
        return {"type": "insert_gate", **reads}
    return {"type": "add_step", "writes": list(node.targets(Relation.WRITES)), **reads}


def _added_panel(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    shown = list(node.targets(Relation.SHOWS))
    return {"type": "add_surface", "panels": [node.name], "shows": shown}


def _arranged(node: SpecNode, *, is_changed: bool = False) -> Iterator[Mapping[str, Any]]:
    values = {
        "view": node.fields.get("view"),
        "by": next(iter(node.targets(Relation.ARRANGED_BY)), None),
        "count": node.fields.get("count") == "true",
        "sum": list(node.targets(Relation.SUMS)),
    }
    given = {key: one for key, one in values.items() if one}
    if given or is_changed:
        yield {"type": "arrange_panel", "panel": node.id, "view": "table", **given}


def _added_action(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    runs, confirm = node.targets(Relation.RUNS), node.fields.get("confirm") == "true"
    return {"type": "add_action", "name": node.name, "runs": (*runs, "")[0], "confirm": confirm}


def _added_trigger(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    entity, runs = node.targets(Relation.READS), node.targets(Relation.RUNS)
    if received := node.targets(Relation.WRITES):
        hook = {"type": "add_hook", "name": node.name, "receives": received[0]}
        return {**hook, "runs": (*runs, "")[0]}
    return {
        "type": "add_trigger",
        "name": node.name,
        "entity": (*entity, "")[0],
        "runs": (*runs, "")[0],
    }


def _added_schedule(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    runs, when = node.targets(Relation.RUNS), node.fields.get("when", "")
    return {"type": "add_schedule", "name": node.name, "runs": (*runs, "")[0], "when": when}


def _added_role(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    rights = {relation.value: list(node.targets(relation)) for relation in RIGHTS}
    return {"type": "add_role", "name": node.name, **rights}


def _added_guardrail(_: SpecGraph, node: SpecNode) -> Mapping[str, Any]:
    guarded = list(node.targets(Relation.GUARDS))
    return {"type": "add_guardrail", "name": node.name, "guards": guarded}


_ADDITIONS: Mapping[str, Callable[[SpecGraph, SpecNode], Mapping[str, Any]]] = {
    "source": _added_source,
    "operation": lambda graph, node: _added_source(graph, graph[graph.parents[node.id]]),
    "preference": lambda _, node: {"type": "set_preference", "name": node.name},
    "entity": _added_entity,
    "field": _added_field,
    "limit": _added_limit,
    "pipeline": lambda _, node: {"type": "add_pipeline", "name": node.name, "steps": []},
    "step": _added_step,
    "panel": _added_panel,
    "guardrail": _added_guardrail,
    "action": _added_action,
    "trigger": _added_trigger,
    "schedule": _added_schedule,
    "role": _added_role,
}


def _renamed(node: SpecNode) -> Mapping[str, Any]:
    shown = {"shown": node.fields["shown"]} if "shown" in node.fields else {}
    return {"type": "rename", "node": node.id, "name": node.name, **shown}


def _changed(after: SpecGraph, change: SpecChange) -> Sequence[Mapping[str, Any]]:
    match (change.kind, change.node_kind, change.field):
        case (ChangeKind.RENAMED, _, _) | (ChangeKind.CHANGED, "entity" | "field", "shown"):
            return [_renamed(after[change.id])]
        case (ChangeKind.CHANGED, "field", "type" | "pii" | "key" as key):
            entity, _, field = change.id.partition(".")
            place = {"type": "retype_field", "entity": entity, "field": field}
            if key == "type":
                return [{**place, "field_type": change.after or "text"}]
            return [{**place, key: change.after == "true"}]
        case (ChangeKind.CHANGED, "panel", "view" | "count" | Relation.ARRANGED_BY | Relation.SUMS):
            return list(_arranged(after[change.id], is_changed=True))
        case (ChangeKind.CHANGED, "section", "cadence"):
            return [{"type": "set_cadence", "section": change.id, "cadence": change.after}]
        case (ChangeKind.CHANGED, "step", "strategy"):
            return [{"type": "allocate", "step": change.id, "strategy": change.after}]
        case (ChangeKind.CHANGED, "step" | "panel", "body"):
            return [{"type": "adopt_body", "node": change.id, "body": change.after}]
        case _:
            return [
                {"type": "relink", "node": change.id, "relation": key, "targets": change.after}
                for key, allowed in relations_of(change.node_kind).items()
                if change.kind is ChangeKind.CHANGED and allowed.relation == change.field
            ]

"""Finds open plans that collide, before anything is built (ruling G9).

Two plans collide if one writes what the other reads or writes, if both create one id or use one
slot, if their order matters, or if both together break the identity. A node that reads, writes,
shows, guards, sees or edits an entity uses its fields: a plan that drops or changes one collides
with a plan that adds or changes such a node. Clashes of meaning are not found.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.growth.identity import Binding, find_breaches
from attractor.growth.morph import apply_morphs
from attractor.growth.plans.plan import Plan
from attractor.growth.specification.difference import ChangeKind, SpecChange, compare_specs
from attractor.growth.specification.graph import Relation, SpecGraph

_USES = (
    Relation.READS,
    Relation.WRITES,
    Relation.SHOWS,
    Relation.GUARDS,
    Relation.SEES,
    Relation.EDITS,
    Relation.REFERS_TO,
    Relation.ARRANGED_BY,
    Relation.SUMS,
)


@dataclass(frozen=True)
class Collision:
    """Two plans of which only one can be deployed as it is."""

    first: str
    second: str
    reason: str

    def other(self, plan_id: str) -> str:
        """Return the plan with which a plan collides."""
        return self.second if self.first == plan_id else self.first


def find_collision(one: Plan, other: Plan, bindings: Sequence[Binding]) -> Collision | None:
    """Return the collision of two plans for the same base, if there is one."""
    shared = sorted(one.touched.collides(other.touched))
    if shared:
        return Collision(one.id, other.id, f"both change {', '.join(shared)}")
    results: list[SpecGraph] = []
    for first, second in ((one, other), (other, one)):
        try:
            results.append(apply_morphs(first.result, second.proposal.morphs))
        except AttractorError as cause:
            reason = f"{second.id} does not fit after {first.id}: {cause.message}"
            return Collision(first.id, second.id, reason)
    if results[0].spec_hash != results[1].spec_hash:
        changes = compare_specs(*results)
        return Collision(one.id, other.id, f"the order matters: {changes[0].describe()}")
    if reason := _lost_field(one, other) or _lost_field(other, one):
        return Collision(one.id, other.id, reason)
    breaches = find_breaches(one.base, results[0], bindings)
    if breaches:
        reason = f"together they break the identity: {breaches[0].message}"
        return Collision(one.id, other.id, reason)
    return None


def _lost_field(one: Plan, other: Plan) -> str:
    """Return how a plan changes a field that a new or changed node of the other uses, or ""."""
    changed = _changed_fields(one)
    for node, fields in _users(other):
        for field in fields:
            if field in changed:
                return f"{node} of {other.id} uses {field}, which {one.id} {changed[field]}"
    return ""


def _changed_fields(plan: Plan) -> Mapping[str, str]:
    """Return the fields of the base that a plan removes or changes, by id; a name is no change."""
    verbs = {ChangeKind.REMOVED: "removes", ChangeKind.CHANGED: "changes"}
    return {
        change.id: verbs[change.kind]
        for change in compare_specs(plan.base, plan.result)
        if change.node_kind == "field" and change.kind in verbs
    }


def _users(plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the nodes that a plan adds or changes, each with the fields that it uses."""
    changes = compare_specs(plan.base, plan.result)
    for id_ in dict.fromkeys(change.id for change in changes if _is_other_use(change)):
        edges = plan.result[id_].relations
        targets = [edge.to for edge in edges if edge.relation in _USES]
        yield id_, [field for target in targets for field in _fields_in(plan.result, target)]


def _is_other_use(change: SpecChange) -> bool:
    """Return whether a node is new or does its work in another way."""
    if change.kind is ChangeKind.CHANGED:
        return change.field != Relation.PRECEDES
    return change.kind is ChangeKind.ADDED


def _fields_in(graph: SpecGraph, id_: str) -> Iterator[str]:
    """Yield the fields of an entity, or of those that an output reads; a field is its own."""
    match graph[id_].kind:
        case "field":
            yield id_
        case "entity":
            yield from graph.children_ids(id_)
        case "output":
            for target in graph[id_].targets(Relation.READS):
                yield from _fields_in(graph, target)
        case _:
            pass


def find_collisions(
    plan: Plan, open_plans: Sequence[Plan], bindings: Sequence[Binding]
) -> Sequence[Collision]:
    """Return the collisions of a plan with open plans; those for another base are recomputed."""
    found: list[Collision] = []
    for one in open_plans:
        if one.id == plan.id:
            continue
        other = replace(one, base=plan.base)
        try:
            other.result  # noqa: B018 - computed here
        except AttractorError as cause:
            reason = f"{one.id} does not fit the same base: {cause.message}"
            found.append(Collision(plan.id, one.id, reason))
            continue
        collision = find_collision(plan, other, bindings)
        found += [collision] if collision else []
    return found

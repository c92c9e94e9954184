"""The evidence of gates: the records that they read, and the steps that write these before them.

A gate is a step that guards others. It decides by its evidence: whoever writes that decides too. So
a change of the evidence, or other words of a gate, names the gate and has a high risk (ruling G7).
"""

from collections.abc import Collection, Iterator, Mapping

from attractor.base.dataclasses import dataclass
from attractor.growth.specification.graph import Relation, SpecGraph


@dataclass(frozen=True)
class GateChange:
    """A change that affects what a gate decides."""

    gate: str
    message: str

    def __str__(self) -> str:
        return f"{self.gate}: {self.message}"


def gates_of(graph: SpecGraph, bound: Collection[str] = ()) -> Collection[str]:
    """Return the steps that guard others, and the gates that the identity names."""
    guards = (one for one in graph.of_kind("step") if one.targets(Relation.GUARDS))
    return sorted({*(one.id for one in guards), *(one for one in bound if one in graph)})


def find_gate_changes(
    before: SpecGraph, after: SpecGraph, targets: Mapping[str, Collection[str]]
) -> Iterator[GateChange]:
    """Yield what changes for the gates of a specification; `targets` are those of bound gates."""
    for gate in gates_of(before, targets):
        for message in (*_own_changes(before, after, gate), *evidence_changes(before, after, gate)):
            yield GateChange(gate, message)
        for target in targets.get(gate, ()):
            if words := _renamed(before, after, target):
                yield GateChange(gate, f"its target {words}")
    for rail in before.of_kind("guardrail"):
        if rail.targets(Relation.GUARDS) and (words := _renamed(before, after, rail.id)):
            yield GateChange(rail.id, f"the guardrail {words}")


def evidence_changes(before: SpecGraph, after: SpecGraph, gate: str) -> Iterator[str]:
    """Yield the changes of the inputs of a gate."""
    if gate not in before or gate not in after:
        return
    old, new = (set(one[gate].targets(Relation.READS)) for one in (before, after))
    yield from (f"no longer reads {id_}" for id_ in sorted(old - new))
    yield from (f"also reads {id_}" for id_ in sorted(new - old))
    for id_ in sorted(_evidence(before, gate)):
        if id_ not in after:
            yield f"{id_}, which it reads, is removed"
        elif before[id_].fields != after[id_].fields:
            yield f"{id_}, which it reads, changes"
    written = _written_before(before, gate)
    for step, id_ in sorted(_written_before(after, gate)):
        if (step, id_) not in written:
            yield f"{step} writes {id_}, which it reads"
        elif _without_name(before, step) != _without_name(after, step):
            yield f"{step}, which writes {id_} before it, changes"


def _own_changes(before: SpecGraph, after: SpecGraph, gate: str) -> Iterator[str]:
    if gate not in after:
        yield "is removed"
        return
    if words := _renamed(before, after, gate):
        yield words
    if _without_name(before, gate) != _without_name(after, gate):
        yield "its rule, strategy or body changes"
    lost = set(before[gate].targets(Relation.GUARDS)) - set(after[gate].targets(Relation.GUARDS))
    # A step that is removed needs no guard.
    if still := sorted(lost & after.keys()):
        yield f"no longer guards {', '.join(still)}"


def _renamed(before: SpecGraph, after: SpecGraph, id_: str) -> str:
    is_kept = id_ in before and id_ in after
    if not is_kept or before[id_].name == after[id_].name:
        return ""
    return f"gets other words: {after[id_].name!r} instead of {before[id_].name!r}"


def _without_name(graph: SpecGraph, id_: str) -> dict[str, object]:
    return {key: value for key, value in graph[id_].fields.items() if key != "name"}


def _evidence(graph: SpecGraph, gate: str) -> set[str]:
    """Return what a gate reads: entities with their fields, and fields with their entities."""
    found: set[str] = set()
    for id_ in graph[gate].targets(Relation.READS):
        found.add(id_)
        found.update(one for one in graph.children_ids(id_) if graph[one].kind == "field")
        if graph[id_].kind == "field":
            found.add(graph.parents[id_])
    return found


def _written_before(graph: SpecGraph, gate: str) -> set[tuple[str, str]]:
    """Return the steps that write the evidence of a gate before it, each with what it writes.

    The steps of other pipelines may run before it.
    """
    waiting, earlier = [gate], set[str]()
    while waiting:
        for one in graph.sources(waiting.pop(), Relation.PRECEDES):
            if one.id not in earlier:
                earlier.add(one.id)
                waiting.append(one.id)
    return {
        (step.id, id_)
        for id_ in _evidence(graph, gate)
        for step in graph.sources(id_, Relation.WRITES)
        if step.id in earlier or graph.parents.get(step.id) != graph.parents.get(gate)
    }

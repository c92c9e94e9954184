"""The identity of an app, which no growth changes, and its check (ruling G7).

The four fields of the root never change. Each line of the safety envelope and of the prohibited
changes is bound to a predicate over the graph, to a scenario, or to nothing; a guardrail that
carries such a line is never removed, weakened or passed by.
"""

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from attractor.base.dataclasses import dataclass
from attractor.growth.evidence import evidence_changes
from attractor.growth.specification.document import IDENTITY
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from attractor.growth.specification.rights import ways_to

_Forbidden = Literal["reads", "writes", "shows", "guards", "sees", "does", "edits"]


class Binding(BaseModel):
    """The meaning of an identity line for the graph: some of the predicates, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: str = Field(description="a line of safety_envelope or prohibited_changes")
    guardrail: str = Field(default="", description="the id of the guardrail that carries the line")
    frozen_node: str = Field(default="", description="the id of a node that never changes")
    forbidden: tuple[str, _Forbidden, str] | None = Field(
        default=None, description="a relation that never exists: id, relation, id"
    )
    path_to: str = Field(
        default="", description="the id of a step or entity that is reached only ..."
    )
    gate: str = Field(default="", description="... through this step")
    frozen_inputs: bool = Field(
        default=False,
        description="whether the inputs of the gate never change: what it reads, and which steps "
        "write that before it",
    )
    scenario: str = Field(
        default="", description="the id of a `must` scenario that checks the line"
    )

    @model_validator(mode="after")
    def _has_whole_predicates(self) -> Self:
        if bool(self.path_to or self.frozen_inputs) != bool(self.gate):
            raise ValueError("a gate belongs to path_to or frozen_inputs")
        return self

    @property
    def has_predicate(self) -> bool:
        """Whether the line has a predicate over the graph."""
        return bool(self.frozen_node or self.forbidden or self.gate)

    def is_checked_by_machine(self, musts: Collection[str]) -> bool:
        """Whether no model and no person has to judge the line.

        `musts` are the `must` scenarios of the app's suite: another scenario checks nothing.
        """
        return self.has_predicate or self.scenario in musts


class BreachKind(StrEnum):
    """How growth would break an identity."""

    IDENTITY = "identity_changed"
    GUARDRAIL = "guardrail_weakened"
    FROZEN = "frozen_node_changed"
    FORBIDDEN = "forbidden_relation"
    BYPASS = "gate_bypassed"
    INPUTS = "gate_inputs_changed"


@dataclass(frozen=True)
class Breach:
    """A breach of the identity."""

    kind: BreachKind
    line: str
    message: str


class SafetyVerdict(StrEnum):
    """The verdict of the agent on lines that no machine checks."""

    APPROVE = "approve"
    VETO = "veto"


def find_objections(
    breaches: Sequence[Breach], verdict: SafetyVerdict | None, reasons: Sequence[str] = ()
) -> Sequence[str]:
    """Return the objections to a change: breaches, a missing approval, or a veto.

    Its approval is required but not sufficient: it does not outweigh a breach. `reasons` are words
    of the agent.
    """
    found = [f"{breach.line!r}: {breach.message}" for breach in breaches]
    if verdict is None:
        return [*found, "safety has not approved"]
    return [*found, *(reasons or ["veto of safety"])] if verdict is SafetyVerdict.VETO else found


def lines_of(graph: SpecGraph) -> Sequence[str]:
    """Return the lines of the identity that are bound to predicates."""
    fields = ("safety_envelope", "prohibited_changes")
    return [str(one) for key in fields for one in _list(graph.root, key)]


def _list(node: SpecNode, key: str) -> list[object]:
    value = node.fields.get(key)
    return list(value) if isinstance(value, list) else []


@dataclass(frozen=True)
class Coverage:
    """How many lines of the identity a machine checks, and the bindings that check nothing."""

    lines: int
    machine_checked: int
    missing: tuple[str, ...]


def coverage(
    graph: SpecGraph, bindings: Sequence[Binding], musts: Collection[str] = ()
) -> Coverage:
    """Return how much of the identity a machine checks, if these scenarios are `must`."""
    lines = lines_of(graph)
    checked = {binding.line for binding in bindings if binding.is_checked_by_machine(musts)}
    missing = [
        f"{binding.line!r} is bound to {binding.scenario!r}, which is no `must` scenario of the "
        "suite: write it as a holdout, name it in gate.must, and register the suite"
        for binding in bindings
        if binding.scenario
        and binding.scenario not in musts
        and (binding.has_predicate or binding.line not in checked)
    ]
    return Coverage(len(lines), sum(one in checked for one in lines), tuple(missing))


def find_breaches(
    before: SpecGraph, after: SpecGraph, bindings: Sequence[Binding]
) -> Sequence[Breach]:
    """Return all breaches of the identity in a changed graph."""
    found: list[Breach] = []
    for key in IDENTITY:
        old, new = before.root.fields.get(key), after.root.fields.get(key)
        if old != new:
            message = f"{key} changes from {old!r} to {new!r}; another identity is a new seed"
            found.append(Breach(BreachKind.IDENTITY, key, message))
    for binding in bindings:
        found += _broken_predicate(before, after, binding)
    for rail in _carrying(before, bindings):
        found += _weakened(rail, after)
    return found


def _carrying(graph: SpecGraph, bindings: Sequence[Binding]) -> Iterator[SpecNode]:
    """Yield the guardrails that carry a line of the identity."""
    lines = set(lines_of(graph))
    bound = {binding.guardrail for binding in bindings}
    for rail in graph.of_kind("guardrail"):
        if rail.name in lines or rail.id in bound:
            yield rail


def _weakened(rail: SpecNode, after: SpecGraph) -> Iterator[Breach]:
    new = after.get(rail.id)
    fault = ""
    if new is None or new.kind != rail.kind:
        fault = "is removed"
    elif new.name != rail.name:
        fault = f"gets other words: {new.name!r}"
    elif any(new.fields.get(key) != value for key, value in rail.fields.items()):
        fault = "changes"
    elif lost := set(rail.targets(Relation.GUARDS)) - set(new.targets(Relation.GUARDS)):
        fault = f"no longer guards {', '.join(sorted(lost))}"
    elif after.parents.get(rail.id) != "safety":
        fault = "leaves the section safety"
    if fault:
        yield Breach(BreachKind.GUARDRAIL, rail.name, f"guardrail {rail.id} {fault}")


def _broken_predicate(before: SpecGraph, after: SpecGraph, binding: Binding) -> Iterator[Breach]:
    if binding.frozen_node:
        id_ = binding.frozen_node
        old = before.subtree_hash(id_) if id_ in before else ""
        if id_ not in after or after.subtree_hash(id_) != old:
            yield Breach(BreachKind.FROZEN, binding.line, f"{id_} is frozen, and changes")
    if binding.forbidden:
        source, relation, target = binding.forbidden
        node = after.get(source)
        for way in ways_to(after, node, Relation(relation), target) if node else ():
            yield Breach(BreachKind.FORBIDDEN, binding.line, f"{way}, which is forbidden")
    if binding.gate:
        yield from _broken_gate(before, after, binding)


def _broken_gate(before: SpecGraph, after: SpecGraph, binding: Binding) -> Iterator[Breach]:
    """Yield changed inputs of a gate, and a path that does not pass it."""
    if binding.frozen_inputs:
        changes = [*evidence_changes(before, after, binding.gate)]
        for message in changes if binding.gate in after else ["is removed"]:
            yield Breach(BreachKind.INPUTS, binding.line, f"{binding.gate}: {message}")
    if binding.path_to:
        path = find_bypass(before, after, binding.path_to, binding.gate)
        if path:
            message = f"{' -> '.join(path)} does not pass {binding.gate}"
            yield Breach(BreachKind.BYPASS, binding.line, message)


def find_bypass(before: SpecGraph, after: SpecGraph, target: str, gate: str) -> Sequence[str]:
    """Return a path from a first step to a target that does not pass a gate, or nothing.

    A path follows `precedes`, and entities from a step that writes them to steps of other pipelines
    that read them, if an original path to the target writes them too. Steps that write what the
    target writes count as the target.
    """
    if target not in after or gate not in after:
        lost = target if target not in after else gate
        return [f"{lost} (removed)"]
    carried = _written_before(before, target)
    ends = _writers(after, _outputs(after, target)) | {target}
    for end in sorted(ends):
        path = _path_without(after, end, gate, carried)
        if path:
            return path
    return ()


def _outputs(graph: SpecGraph, target: str) -> set[str]:
    """Return the entities that a target writes; an entity is its own output."""
    node = graph[target]
    return {target} if node.kind == "entity" else set(node.targets(Relation.WRITES))


def _writers(graph: SpecGraph, entities: set[str]) -> set[str]:
    return {step.id for entity in entities for step in graph.sources(entity, Relation.WRITES)}


def _written_before(graph: SpecGraph, target: str) -> set[str]:
    """Return the entities that the original steps up to a target write."""
    if target not in graph:
        return set()
    waiting = list(_writers(graph, _outputs(graph, target)) | {target})
    steps: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one not in steps:
            steps.add(one)
            waiting += [step.id for step in graph.sources(one, Relation.PRECEDES)]
    return {entity for step in steps for entity in graph[step].targets(Relation.WRITES)}


def _path_without(graph: SpecGraph, end: str, gate: str, carried: set[str]) -> Sequence[str]:
    """Return a path from a first step to an end that leaves a gate out."""
    # Other programs write the records of a hook: it is a first step.
    if graph[end].kind not in ("step", "trigger"):
        return ()
    followers: dict[str, str] = {end: ""}
    waiting = [end]
    while waiting:
        step = waiting.pop()
        if step == gate:
            continue
        earlier = [node.id for node in graph.sources(step, Relation.PRECEDES)]
        if not earlier:
            path: list[str] = []
            while step:
                path.append(step)
                step = followers[step]
            return path
        read = set(graph[step].targets(Relation.READS)) & carried
        others = [
            writer
            for writer in sorted(_writers(graph, read))
            if graph.parents[writer] != graph.parents[step]
        ]
        for one in [*earlier, *others]:
            if one not in followers:
                followers[one] = step
                waiting.append(one)
    return ()

"""The nodes that answer a request, and those that a change of nodes reaches (ruling G10)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.growth.declared_adapter import read_adapter
from attractor.growth.http_client import Operation
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode
from attractor.growth.tools import adapters


class AppRoute(NamedTuple):
    """A method and a path of an app; `{id}` stands for the id of a record."""

    method: str
    path: str


def routes(graph: SpecGraph) -> Mapping[AppRoute, frozenset[str]]:
    """Return the nodes that answer each route.

    Health and telemetry depend on the whole specification.
    """
    found = {AppRoute("GET", path): frozenset(graph) for path in ("/health", "/telemetry")}
    found[AppRoute("GET", "/")] = frozenset(panel.id for panel in graph.of_kind("panel"))
    for kind, patterns in _PATTERNS.items():
        for node in graph.of_kind(kind):
            for method, path in patterns:
                ran = node.targets(Relation.RUNS) if kind == "action" else ()
                found[AppRoute(method, path.format(node=node.id))] = frozenset({node.id, *ran})
    for entity, runs in triggered(graph).items():
        ran = frozenset(one.step or one.pipeline for one in runs)
        found[AppRoute("POST", f"/data/{entity}")] |= ran
        found[AppRoute("PUT", f"/data/{entity}/{{id}}")] |= ran
    for pipeline in graph.of_kind("pipeline"):
        reported = frozenset({pipeline.id, *_reported_outputs(graph, pipeline.id)})
        found[AppRoute("POST", f"/run/{pipeline.id}")] = reported
    scheduled = [run for one in graph.of_kind("schedule") for run in runs_of(graph, one)]
    for run in scheduled:
        reported = found[AppRoute("POST", f"/run/{run.pipeline}")]
        found[AppRoute("POST", run.path)] = reported | {run.step or run.pipeline}
    return found


def _reported_outputs(graph: SpecGraph, pipeline: str) -> Iterator[str]:
    """Yield the outputs in the report of a run: those that read an entity that it writes."""
    written = {
        entity
        for step in graph.children(pipeline, "step")
        for entity in entities_of(graph, step, Relation.WRITES)
    }
    for output in graph.of_kind("output"):
        if written & set(entities_of(graph, output, Relation.READS)):
            yield output.id


_PATTERNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "panel": (("GET", "/panels/{node}"),),
    "entity": (
        ("GET", "/data/{node}"),
        ("POST", "/data/{node}"),
        ("PUT", "/data/{node}/{{id}}"),
        ("DELETE", "/data/{node}/{{id}}"),
    ),
    "output": (("GET", "/outputs/{node}"),),
    "action": (("POST", "/actions/{node}"),),
}


def nodes_of_request(graph: SpecGraph, method: str, path: str) -> frozenset[str]:
    """Return the nodes that answer a request; none if the path is unknown."""
    plain = path.partition("?")[0]
    if method in ("PUT", "DELETE"):
        plain = "/".join([*plain.split("/")[:3], "{id}"])
    return routes(graph).get(AppRoute(method, plain), frozenset())


def downstream(
    graph: SpecGraph, touched: Iterable[str], *, may_fail: bool = True
) -> frozenset[str]:
    """Return all nodes whose answers may change if nodes are changed.

    If a step may fail, all that its pipeline writes may change: a failure undoes the whole run. Ids
    of nodes that the graph does not contain, and slots, are ignored.
    """
    waiting = [one for one in touched if one in graph]
    reached: set[str] = set()
    while waiting:
        id_ = waiting.pop()
        if id_ not in reached:
            reached.add(id_)
            if may_fail or graph[id_].kind != "pipeline":
                waiting += _followers(graph, graph[id_])
    return frozenset(reached)


def _followers(graph: SpecGraph, node: SpecNode) -> Iterator[str]:
    """Yield the nodes whose answers may change right after those of a node."""
    match node.kind:
        case "trigger" | "action":
            yield from node.targets(Relation.RUNS)
            yield from entities_of(graph, node, Relation.WRITES)
        case "field" | "operation" | "limit":
            yield graph.parents[node.id]
        case "entity" | "output" | "source":
            yield from _users(graph, node.id)
            for one in graph.children(node.id):
                yield from _users(graph, one.id)
        case "step":
            yield graph.parents[node.id]
            yield from entities_of(graph, node, Relation.WRITES)
            yield from (one for one in node.targets(Relation.WRITES) if _is_source(graph, one))
            yield from guarded_steps(graph, node)
        case "pipeline":
            yield from graph.children_ids(node.id)
        case _:
            pass


def _users(graph: SpecGraph, id_: str) -> Iterator[str]:
    """Yield the steps, panels and outputs that read, write or show a node."""
    for relation in (Relation.READS, Relation.WRITES, Relation.SHOWS):
        yield from (node.id for node in graph.sources(id_, relation))


def entities_of(graph: SpecGraph, node: SpecNode, relation: Relation) -> tuple[str, ...]:
    """Return the entities that a relation leads to, also by a field or an output."""
    return tuple(dict.fromkeys(_entities(graph, node.targets(relation))))


def _entities(graph: SpecGraph, ids: Iterable[str]) -> Iterator[str]:
    for id_ in ids:
        match graph[id_].kind:
            case "entity":
                yield id_
            case "field":
                yield graph.parents[id_]
            case "output":
                yield from _entities(graph, graph[id_].targets(Relation.READS))
            case _:
                pass


def declared_operations(graph: SpecGraph) -> Mapping[str, Collection[str]]:
    """Return the operations that any step may call, by adapter."""
    found: dict[str, set[str]] = {}
    for step in graph.of_kind("step"):
        for adapter, names in operations_of(graph, step).items():
            found.setdefault(adapter, set()).update(names)
    return dict(sorted(found.items()))


def operations_of(graph: SpecGraph, step: SpecNode) -> Mapping[str, tuple[str, ...]]:
    """Return the operations that a step may call, by adapter.

    A source with the name of an adapter, or with operations, is a service: who reads it calls the
    operations that only read, and who writes it the others.
    """
    found: dict[str, tuple[str, ...]] = {}
    for id_ in dict.fromkeys((*step.targets(Relation.READS), *step.targets(Relation.WRITES))):
        if service := service_operations(graph, id_):
            named = {True: Relation.READS, False: Relation.WRITES}
            found[id_] = tuple(
                name for name, one in service.items() if id_ in step.targets(named[one.only_reads])
            )
    return found


def service_operations(graph: SpecGraph, id_: str) -> Mapping[str, Operation]:
    """Return the operations of a node that is a service; none of any other node."""
    if not _is_source(graph, id_):
        return {}
    if id_ in adapters():
        return adapters()[id_]
    inside = graph.children(id_)
    return read_adapter(id_, {one.id: one.fields for one in inside}) if inside else {}


def declares_writes(graph: SpecGraph, step: SpecNode) -> bool:
    """Return whether a step tells a service something."""
    return any(_is_source(graph, one) for one in step.targets(Relation.WRITES))


class PipelineRun(NamedTuple):
    """A pipeline that runs, or one of its steps with the gates that guard it."""

    pipeline: str
    step: str = ""

    @property
    def path(self) -> str:
        """The path that starts the run."""
        return f"/run/{self.pipeline}" + (f"/{self.step}" if self.step else "")


def runs_of(graph: SpecGraph, node: SpecNode) -> tuple[PipelineRun, ...]:
    """Return what a trigger, a schedule or an action runs.

    Graphs of earlier versions may have other targets, which `wrong_relations` names.
    """
    found: list[PipelineRun] = []
    for id_ in node.targets(Relation.RUNS):
        match graph[id_].kind:
            case "pipeline":
                found.append(PipelineRun(id_))
            case "step":
                found.append(PipelineRun(graph.parents[id_], id_))
            case _:
                pass
    return tuple(found)


def triggered(graph: SpecGraph) -> Mapping[str, tuple[PipelineRun, ...]]:
    """Return what a record of an entity starts, by entity."""
    found: dict[str, dict[PipelineRun, None]] = {}
    for trigger in graph.of_kind("trigger"):
        for entity in entities_of(graph, trigger, Relation.READS):
            found.setdefault(entity, {}).update(dict.fromkeys(runs_of(graph, trigger)))
    return {entity: tuple(runs) for entity, runs in sorted(found.items()) if runs}


def without_refusal(graph: SpecGraph) -> Iterator[str]:
    """Yield the triggers that cannot refuse a record: what a service was told is not undone."""
    for trigger in graph.of_kind("trigger"):
        for run in runs_of(graph, trigger):
            ids = graph.children_ids(run.pipeline)
            wanted = [
                one for one in ids if run.step in ("", one, *guarded_steps(graph, graph[one]))
            ]
            calling = [one for one in wanted if operations_of(graph, graph[one])]
            if calling:
                words = f"{', '.join(calling)} may call a service"
                yield f"trigger {trigger.id}: {words}, so no step of it can refuse a record"


class Hook(NamedTuple):
    """A trigger that other programs call: the entity of its record, and what it runs."""

    id: str
    entity: str
    runs: tuple[PipelineRun, ...]


def hooks(graph: SpecGraph) -> Sequence[Hook]:
    """Return the triggers that receive records from other programs."""
    return sorted(
        Hook(trigger.id, entity, runs_of(graph, trigger))
        for trigger in graph.of_kind("trigger")
        for entity in entities_of(graph, trigger, Relation.WRITES)[:1]
    )


def _is_source(graph: SpecGraph, id_: str) -> bool:
    return graph[id_].kind == "source"


def guarded_steps(graph: SpecGraph, gate: SpecNode) -> tuple[str, ...]:
    """Return the steps that a gate guards: named ones, and writers of a named entity or source."""
    steps: list[str] = []
    for id_ in gate.targets(Relation.GUARDS):
        match graph[id_].kind:
            case "step":
                steps.append(id_)
            case "entity" | "source":
                steps += [node.id for node in graph.sources(id_, Relation.WRITES)]
            case "pipeline":
                steps += graph.children_ids(id_)
            case _:
                pass
    return tuple(step for step in dict.fromkeys(steps) if step != gate.id)

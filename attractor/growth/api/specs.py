"""Specifications: normalize, show, compare, render, answer questions, export, verify.

Each function returns the record that a command prints with `--json` and HTTP answers.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from typing import Any, TypeVar, cast

from attractor.base.errors import Refused, UsageError
from attractor.base.json import Json
from attractor.base.records import write_fields, write_record
from attractor.growth.apps.verification import verify_app
from attractor.growth.control_plane import ControlPlane
from attractor.growth.crew.checks.identity import identity_hash
from attractor.growth.deployment.integrity import check_release, restore_release
from attractor.growth.deployment.release import Releases
from attractor.growth.desires import PlannerInput, UserDesire
from attractor.growth.errors import InvalidDesire, InvalidSpec
from attractor.growth.lineage import read_stages
from attractor.growth.normalize.free_text import add_text, normalize_text
from attractor.growth.normalize.reading import Given, read_given, read_structured
from attractor.growth.normalize.structured import add_desires, normalize_desires
from attractor.growth.plans.store import PlanState
from attractor.growth.specification.clarifications import answer_question
from attractor.growth.specification.difference import compare_specs
from attractor.growth.specification.document import identity_of
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.files import node_path, node_text, write_spec
from attractor.growth.specification.graph import ROOT, SpecGraph
from attractor.growth.specification.index import SpecIndex
from attractor.growth.specification.rendering import (
    Column,
    DiagramFormat,
    SpecView,
    render_spec,
    summary_of,
)
from attractor.growth.specification.store import HEAD, SpecRecord, StoredSpec, spec_id


def normalize(control_plane: ControlPlane, desires: object, base: str = "") -> dict[str, Json]:
    """Answer `POST /spec/normalize`: a document, desires or free text, as JSON or as a text."""
    if isinstance(desires, list) and desires:
        items = cast("list[object]", desires)
        if all(isinstance(item, str) for item in items):
            desires = "\n\n".join(cast("list[str]", items))
        elif any(isinstance(item, str) for item in items):
            hint = "write all desires as objects with a goal, or all as text"
            raise InvalidDesire("desires are partly objects and partly text", hint=hint)
    read = read_given if isinstance(desires, str) else read_structured
    return normalize_given(control_plane, read(cast("Any", desires), source="desires"), base)


def normalize_given(control_plane: ControlPlane, given: Given, base: str = "") -> dict[str, Json]:
    """Store the specification of a document, of desires or of a free text, and describe it.

    On a base, only desires are added.
    """
    specs, project = control_plane.specs, control_plane.project
    if isinstance(given, PlannerInput):
        if base and base != given.spec_graph_id:
            message = f"the desires are for {given.spec_graph_id}, not for {base}"
            raise InvalidDesire(message, hint="remove the base, or spec_graph_id")
        base, given = given.spec_graph_id, given.new_desires
    if base:
        return _add_to_base(control_plane, specs.load(base), given)
    match given:
        case SpecGraph():
            graph = given
        case str():
            graph = asyncio.run(normalize_text(given, project))
        case _:
            graph = normalize_desires(given)
    record = SpecRecord(tuple(desire.id for desire in graph.of_kind("desire")))
    return describe_spec(specs.load(specs.save(graph, record)))


def _add_to_base(
    control_plane: ControlPlane, base: StoredSpec, given: SpecGraph | str | Sequence[UserDesire]
) -> dict[str, Json]:
    """Store a base with desires; desires that were added to it before stay new."""
    match given:
        case SpecGraph():
            hint = "add desires; a plan changes the rest"
            raise InvalidSpec("a document cannot be added to a specification", hint=hint)
        case str():
            graph, ids = asyncio.run(add_text(base.graph, given, control_plane.project))
        case _:
            graph, ids = add_desires(base.graph, given)
    specs = control_plane.specs
    # The base may be the specification in the repository, which is not stored.
    specs.save(base.graph, base.record)
    earlier = base.record.desires if base.base else ()
    record = SpecRecord(tuple(dict.fromkeys([*earlier, *ids])), base.base or base.id)
    return describe_spec(specs.load(specs.save(graph, record)))


def show_spec(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Return a specification with the keys of `POST /spec/normalize`."""
    return describe_spec(control_plane.specs.load(spec_graph_id))


def identity(control_plane: ControlPlane, spec_graph_id: str = HEAD) -> dict[str, Json]:
    """Return the identity of an app, and its hash for the check `identity`."""
    stored = control_plane.specs.load(spec_graph_id)
    fields = dict(identity_of(stored.graph))
    return {"spec_graph_id": stored.id, "hash": identity_hash(stored.graph), "identity": fields}


def describe_spec(spec: StoredSpec) -> dict[str, Json]:
    """Return the answer of `POST /spec/normalize`."""
    nodes = list(spec.graph.below(ROOT))
    return {
        "spec_graph_id": spec.id,
        "spec_summary": summary_of(spec),
        "nodes": [
            {"id": node.id, "kind": node.kind, "fields": dict(node.fields), "hash": node.hash}
            for node in nodes
        ],
        "edges": [
            {"source": node.id, "relation": edge.relation.value, "target": edge.to}
            for node in nodes
            for edge in node.edges
        ],
        "provenance": {
            node.id: {"by": node.provenance.by.value, **write_record(node.provenance)}
            for node in nodes
        },
        "clarifications": [
            {"node": clarification.node, "question": clarification.question}
            for clarification in spec.clarifications
        ],
    }


def answer_clarification(
    control_plane: ControlPlane, spec_graph_id: str, node: str, answer: str
) -> dict[str, Json]:
    """Store a specification with the answer to the first open question of a node."""
    specs = control_plane.specs
    stored = specs.load(spec_graph_id)
    graph, answered = answer_question(stored.graph, node, answer)
    record = stored.record
    if spec_graph_id == HEAD:
        specs.save(stored.graph)
        record = SpecRecord(base=stored.id)
    id_ = specs.save(graph, record)
    return {
        "answered": {"node": answered.node, "question": answered.question},
        **describe_spec(specs.load(id_)),
    }


def export_document(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Return a specification as a document in YAML."""
    spec = control_plane.specs.load(spec_graph_id)
    return {"spec_graph_id": spec.id, "document": write_document(spec.graph)}


def export_files(control_plane: ControlPlane, spec_graph_id: str) -> dict[str, Json]:
    """Write the files of a specification into the repository of an app without a specification."""
    spec = control_plane.specs.load(spec_graph_id)
    head = control_plane.head
    if head is not None and head.spec_hash != spec.graph.spec_hash:
        message = f"{control_plane.repository} already contains the specification {spec_id(head)}"
        raise Refused(message, hint="change it by a plan: attractor grow plan")
    write_spec(spec.graph, control_plane.repository)
    files: list[Json] = [str(node_path(one)) for one in spec.graph.below(ROOT)]
    return {"spec_graph_id": spec.id, "files": files}


def compare(control_plane: ControlPlane, before: str, after: str) -> dict[str, Json]:
    """Return the changes between two specifications."""
    specs = [control_plane.specs.load(one) for one in (before, after)]
    changes: list[Json] = [
        {"text": one.describe(), **write_record(one)}
        for one in compare_specs(*(spec.graph for spec in specs))
    ]
    return {"before": specs[0].id, "after": specs[1].id, "changes": changes}


def render(
    control_plane: ControlPlane, spec_graph_id: str, mode: str, format: str = "svg"
) -> dict[str, Json]:
    """Answer `GET /render/:id?mode=`: a specification as a diagram."""
    view = _choice(SpecView, mode, "mode")
    chosen = _choice(DiagramFormat, format, "format")
    spec = control_plane.specs.load(spec_graph_id)
    columns = columns_of(control_plane, spec.graph) if view is SpecView.BOARD else None
    diagram = asyncio.run(render_spec(spec.graph, view, chosen, columns=columns))
    return {
        "spec_graph_id": spec.id,
        "mode": view.value,
        "format": chosen.value,
        "diagram": diagram,
    }


Choice = TypeVar("Choice", bound=StrEnum)


def _choice(type_: type[Choice], word: str, noun: str) -> Choice:
    try:
        return type_(word)
    except ValueError:
        known = ", ".join(one.value for one in type_)
        raise UsageError(f"unknown {noun} {word!r}", hint=f"choose one: {known}") from None


_COLUMN_OF_STATE: Mapping[PlanState, Column] = {
    PlanState.DEPLOYING: Column.IN_PROGRESS,
    PlanState.INTERRUPTED: Column.IN_PROGRESS,
    PlanState.PARKED: Column.REVIEW,
}


def columns_of(control_plane: ControlPlane, graph: SpecGraph) -> Mapping[str, Column]:
    """Return the columns of nodes on a board: deployed, or in a plan that is being deployed.

    All other nodes wait.
    """
    columns: dict[str, Column] = {}
    head = control_plane.head
    if head is not None and read_stages(control_plane.repository):
        same = (id_ for id_ in graph.keys() & head.keys() if graph[id_].hash == head[id_].hash)
        columns = dict.fromkeys(same, Column.DONE)
    for plan in control_plane.plans.open_plans():
        column = _COLUMN_OF_STATE.get(control_plane.plans.state(plan))
        if column:
            changed = {change.id for change in compare_specs(plan.base, plan.result)}
            columns |= dict.fromkeys(changed & graph.keys(), column)
    return columns


def list_specs(control_plane: ControlPlane) -> list[Json]:
    """Return all stored specifications, oldest first."""
    return [write_record(version) for version in _index_of(control_plane).versions()]


def show_node(control_plane: ControlPlane, spec_graph_id: str, words: str) -> dict[str, Json]:
    """Return a node, where it comes from, and its versions in all stored specifications."""
    graph = control_plane.specs.load(spec_graph_id).graph
    node = graph.find(words)
    history = _index_of(control_plane).history(node.id)
    record = cast("dict[str, Json]", json.loads(node_text(node)))
    return {**record, "hash": node.hash, "versions": [write_record(one) for one in history]}


def reindex(control_plane: ControlPlane) -> dict[str, Json]:
    """Build the index of stored specifications again."""
    return write_fields(_index_of(control_plane).rebuild())


def _index_of(control_plane: ControlPlane) -> SpecIndex:
    return SpecIndex(control_plane.index, control_plane.specs)


def verify(control_plane: ControlPlane, *, reconverge: bool = False) -> dict[str, Json]:
    """Compare the app and its running release with what was promoted; restore edited files."""
    project, releases = control_plane.project, Releases(control_plane.releases)
    wrong = list[Json](control_plane.without_effect)
    with control_plane.lock() if reconverge else nullcontext():
        found = asyncio.run(verify_app(project, reconverge=reconverge))
        check = asyncio.run(check_release(project, releases))
        if check is None:
            return {**found.to_dict(), "without_effect": wrong, "release": None}
        release: dict[str, Json] = check.to_dict()
        if reconverge and check.faults:
            incident, restored = restore_release(check, control_plane.repository)
            check = asyncio.run(check_release(project, releases)) or check
            release = {**check.to_dict(), "incident": incident, "restored": list[Json](restored)}
    return {**found.to_dict(), "without_effect": wrong, "release": release}

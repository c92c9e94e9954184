"""Bodies of steps and panels, as agents get and answer them."""

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field

from attractor.growth.apps.routes import operations_of, service_operations
from attractor.growth.crew.app_tree import PANELS, STEPS
from attractor.growth.crew.contract import Message, Work
from attractor.growth.http_client import Operation
from attractor.growth.specification.graph import Relation

FUNCTION = {STEPS: "run", PANELS: "rows"}
"""The function of a body, by the folder of its file."""


class Body(Message):
    """The text of a file with a body."""

    path: str
    text: str


class OpenBody(Message):
    """A file whose body has to be written, with its node in the specification."""

    path: str
    node: str
    name: str
    fields: dict[str, str] = Field(description="rule, strategy and the like")
    reads: dict[str, dict[str, str]] = Field(description="fields with types, by entity")
    writes: dict[str, dict[str, str]] = Field(description="fields with types, by entity")
    guards: tuple[str, ...] = Field(description="steps that get only what this gate lets pass")
    services: dict[str, Any] = Field(description="operations to call, by adapter, with schemas")
    now: str = Field(description="the present text of the file")


def open_bodies(work: Work, folder: str) -> Sequence[OpenBody]:
    """Return the open bodies in a folder of the app."""
    tree = work.tree
    return [_open(work, path, tree.bodies[path]) for path in _open_paths(work, folder)]


def _open_paths(work: Work, folder: str) -> list[str]:
    # After a veto or a failed trial, every body may have to be written again.
    paths = work.tree.bodies if work.left("crew.faults") else work.tree.open_bodies()
    return [one for one in paths if one.startswith(folder)]


def _open(work: Work, path: str, id_: str) -> OpenBody:
    graph = work.tree.graph
    node = graph[id_]
    reads = (*node.targets(Relation.READS), *node.targets(Relation.SHOWS))
    return OpenBody(
        path=path,
        node=id_,
        name=node.name,
        fields={key: str(value) for key, value in node.fields.items() if key != "name"},
        reads=_types(work, reads),
        writes=_types(work, node.targets(Relation.WRITES)),
        guards=node.targets(Relation.GUARDS),
        services={
            adapter: {name: _schemas(service_operations(graph, adapter)[name]) for name in names}
            for adapter, names in operations_of(graph, node).items()
        },
        now=work.tree.text(path),
    )


def _types(work: Work, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the types of fields by entity; sources have no records."""
    graph = work.tree.graph
    return {
        id_: {
            field.id.partition(".")[2]: str(field.fields.get("type", "text"))
            for field in graph.children(id_, "field")
        }
        for id_ in ids
        if graph[id_].kind != "source"
    }


def _schemas(operation: Operation) -> dict[str, Any]:
    return {"input": operation.input_schema, "output": operation.output_schema}


def faults_of(work: Work, folder: str, bodies: Sequence[Body]) -> Sequence[str]:
    """Return the faults of answered bodies."""
    wanted, given = _open_paths(work, folder), [body.path for body in bodies]
    faults = [f"{one}: not asked for" for one in given if one not in wanted]
    faults += [f"{one}: answered twice" for one in sorted(set(given)) if given.count(one) > 1]
    if not work.left("crew.faults"):
        faults += [f"{one}: missing" for one in wanted if one not in given]
    return faults + [
        f"{body.path}: {fault}"
        for body in bodies
        if (fault := _fault_of(body.text, FUNCTION[folder], _operations(work, body.path)))
    ]


def _operations(work: Work, path: str) -> Mapping[str, Collection[str]]:
    """Return the operations that the body in a file may call, by adapter."""
    graph, node = work.tree.graph, work.tree.bodies.get(path)
    return operations_of(graph, graph[node]) if node else {}


def _fault_of(text: str, function: str, operations: Mapping[str, Collection[str]]) -> str:
    try:
        parsed = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        return f"no valid Python: {error}"
    defined = [one.name for one in parsed.body if isinstance(one, ast.FunctionDef)]
    if function not in defined:
        return f"no function {function}(records, context)"
    # Called by other names, it is refused while the app runs.
    for one in ast.walk(parsed):
        match one:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("context"), attr="call"),
                args=[ast.Constant(str(adapter)), ast.Constant(str(name)), *_],
            ) if name not in operations.get(adapter, ()):
                return f"calls {adapter}.{name}, which the specification does not declare"
            case _:
                pass
    return ""


def text_by_path(bodies: Iterable[Body]) -> Mapping[str, str]:
    """Return the texts of files, each with a newline at its end."""
    return {body.path: f"{body.text.strip()}\n" for body in bodies}

"""Reads the child pipelines of a pipeline, and finds errors in the nodes that call them."""

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.language.declarations.inputs import Input, declared_inputs, read_inputs
from attractor.language.diagnostics import Diagnostic, error, report_mistakes, suggester
from attractor.language.graph.graph import Graph, Node, supervised_file
from attractor.language.source.syntax_tree import Span, Value
from attractor.language.source.text import quote
from attractor.pipeline.preflight.requirements import find_secrets_in_pipeline
from attractor.pipeline.source.read import ProjectContext, open_pipeline

PIPELINE, MANAGER = "pipeline", "stack.manager_loop"


@dataclass(frozen=True)
class ChildPipelines:
    """The graphs of all nested child pipelines, and the errors in nodes that call them."""

    graphs: list[Graph] = field(default_factory=list[Graph])
    faults: list[Diagnostic] = field(default_factory=list[Diagnostic])


@dataclass(frozen=True)
class _Use:
    """A node that runs a child, and the position of the attribute that names the child."""

    node: Node
    name: str
    span: Span
    inputs: Value | None = None


def find_child_pipelines(
    graph: Graph, file: Path, project: ProjectContext | None
) -> ChildPipelines:
    """Read the child pipelines of a pipeline file, recursively."""
    found = ChildPipelines()
    waiting, read = [(graph, file.resolve())], dict[Path, Graph | None]({file.resolve(): graph})
    while waiting:
        parent, place = waiting.pop()
        found.faults.extend(_own_faults(parent))
        for use in _uses(parent):
            child = (place.parent / use.name).resolve()
            if child not in read:
                read[child] = _read(child, use, project, found)
                waiting += [(one, child) for one in (read[child],) if one]
            if inner := read[child]:
                found.faults.extend(_input_faults(use, parent, inner))
    return found


def _read(
    file: Path, use: _Use, project: ProjectContext | None, found: ChildPipelines
) -> Graph | None:
    try:
        pipeline = open_pipeline(str(file), project=project)
    except UsageError as fault:
        message = f"node {use.node.id}: the pipeline {quote(use.name)} cannot be run: {fault}"
        found.faults.append(error(message, use.span, node=use.node.id, fix=fault.hint))
        return None
    if project:
        found.faults.extend(find_secrets_in_pipeline(pipeline, project.redactor, project.environ))
    found.graphs.append(pipeline.graph)
    return pipeline.graph


def _uses(graph: Graph) -> Iterator[_Use]:
    for node in graph.of_type(PIPELINE):
        if value := node.attributes.value("file"):
            inputs = node.attributes.value("inputs")
            yield _Use(node, str(value).strip(), _span(value, node), inputs)
    for node in graph.of_type(MANAGER):
        if value := supervised_file(graph, node):
            yield _Use(node, str(value).strip(), _span(value, node))


def _span(value: Value, node: Node) -> Span:
    return value.span if value.span.is_somewhere else node.span


def _own_faults(graph: Graph) -> Iterator[Diagnostic]:
    """Yield the errors in a pipeline as a parent or as a child."""
    for node in graph.of_type(MANAGER):
        # Imported here, because few pipelines have child pipelines.
        from attractor.handlers.stack__manager_loop import read_plan

        try:
            read_plan(node, graph)
        except UsageError as fault:
            yield error(f"node {node.id}: {fault}", node.span, node=node.id, fix=fault.hint)
    if outputs := graph.attributes.value("outputs"):
        mistakes = read_inputs(str(outputs)).mistakes
        yield from report_mistakes(outputs, mistakes, prefix="outputs: ")


def _input_faults(use: _Use, parent: Graph, child: Graph) -> Iterator[Diagnostic]:
    """Yield the errors in inputs that can be found before the values are known."""
    passed = read_inputs(str(use.inputs or ""))
    if use.inputs:
        prefix = f"node {use.node.id}: inputs: "
        yield from report_mistakes(use.inputs, passed.mistakes, prefix=prefix)
    declared = {one.name: one for one in declared_inputs(child)}
    span = use.inputs.span if use.inputs and use.inputs.span.is_somewhere else use.span
    suggest = suggester(declared)
    for one in passed.inputs:
        if one.name not in declared:
            names = f"known: {', '.join(declared) or 'none'}"
            message = f"node {use.node.id}: {use.name} has no input {quote(one.name)}"
            yield error(message, span, node=use.node.id, fix=suggest(one.name) or names)
        elif wrong := _wrong_value(one, declared[one.name], parent):
            message, fix = wrong
            yield error(f"node {use.node.id}: {message}", span, node=use.node.id, fix=fix)
    known = {one.name for one in passed.inputs}
    for one in declared.values():
        if one.name not in known and one.default is None:
            message = f"node {use.node.id}: {use.name} needs the input {one.name}"
            fix = f'set inputs="{one.name}=..." on the node'
            if use.node.type == MANAGER:
                message = f"{message}, but a manager loop passes no inputs"
                fix = f"give it a default in {use.name}, or use a node of type pipeline"
            yield error(message, span, node=use.node.id, fix=fix)


def _wrong_value(given: Input, declared: Input, parent: Graph) -> tuple[str, str] | None:
    """Return the error in a value that is already known, and the fix of this error."""
    # Imported here, because few pipelines have child pipelines.
    from attractor.handlers.pipeline import CONTEXT, INPUTS, given_from

    source = given_from(given)
    inputs = {one.name: one for one in declared_inputs(parent)}
    passed = inputs.get(source.removeprefix(INPUTS)) if source.startswith(INPUTS) else None
    if wrong := _wrong_secret(given, declared, passed):
        return wrong
    if source.startswith(CONTEXT):
        return None
    if source.startswith(INPUTS):
        name, known = source.removeprefix(INPUTS), list(inputs)
        if name in known:
            return None
        fix = suggester(known)(name) or f"known: {', '.join(known) or 'none'}"
        return f"this pipeline has no input {quote(name)}", fix
    if declared.fits(source):
        return None
    return (
        f"invalid value {quote(source)} of the input {given.name}",
        f"its type is {declared.type}",
    )


def _wrong_secret(given: Input, declared: Input, passed: Input | None) -> tuple[str, str] | None:
    """Return the error if a secret would be passed to an input that is not secret, or
    the reverse.
    """
    is_secret = passed is not None and passed.is_secret
    if declared.is_secret and not is_secret:
        message = f"the secret input {given.name} only accepts a secret input of this pipeline"
        return message, f'declare one on the graph, and set inputs="{given.name}=inputs.NAME"'
    if is_secret and passed and not declared.is_secret:
        message = (
            f"the secret {passed.name} is passed on as {given.name}, which the child pipeline does "
            f"not declare as a secret"
        )
        return message, f"declare {given.name}:secret in that pipeline"
    return None

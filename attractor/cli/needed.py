"""What `attractor doctor` says of the pipelines it is given: whether what they need is there."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attractor.cli.examination import Finding, Machine, missing, ok, problem
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.graph.graph import Graph
from attractor.language.preparation.inputs import declared_inputs, fault_of_secret, variable_of
from attractor.pipeline.children.validation import find_child_pipelines
from attractor.pipeline.preflight.programs import ProgramCheck, look_for, required_by
from attractor.pipeline.preflight.secrets import ways_to_give
from attractor.pipeline.source import open_pipeline


async def examine_needs(machine: Machine, files: Sequence[Path]) -> list[Finding]:
    """Report all that pipelines require, and their children, and their secrets; each once."""
    opened = [(open_pipeline(str(file)).graph, file) for file in files]
    graphs = [one for graph, file in opened for one in (graph, *_children(graph, file))]
    secrets = list(_secrets((graph for graph, _ in opened), machine))
    here = LocalExecutionEnvironment(machine.folder, environ=machine.environ)
    try:
        looked = await look_for(required_by(graphs), here, machine.environ)
        return [*map(_finding, looked), *secrets]
    finally:
        await here.cleanup()


def _children(graph: Graph, file: Path) -> Iterable[Graph]:
    return find_child_pipelines(graph, file, None).graphs


def _secrets(graphs: Iterable[Graph], machine: Machine) -> Iterator[Finding]:
    """Say of each secret whether its variable gives it; a child gets its own from its parent."""
    declared = (one.name for graph in graphs for one in declared_inputs(graph) if one.is_secret)
    for name in dict.fromkeys(declared):
        subject, variable = f"secret input: {name}", variable_of(name)
        value = machine.environ.get(variable, "")
        if not value:
            yield missing(subject, f"{variable} is not set", remedy=ways_to_give(name))
        elif fault := fault_of_secret(value):
            yield problem(subject, f"{variable} {fault}", remedy=f"set {variable} to another value")
        else:
            yield ok(subject, f"given by {variable}")


def _finding(looked: ProgramCheck) -> Finding:
    subject = f"needed: {looked.required.need.written}"
    if looked.fault:
        return problem(subject, looked.fault, remedy=looked.remedy)
    return ok(subject, looked.found)

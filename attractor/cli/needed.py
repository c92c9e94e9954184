"""What `attractor doctor` says of the pipelines it is given: whether what they need is there."""

from collections.abc import Sequence
from pathlib import Path

from attractor.cli.examination import Finding, Machine, ok, problem
from attractor.environments.local import LocalExecutionEnvironment
from attractor.language.graph import Graph
from attractor.pipeline.child_pipelines import find_child_pipelines
from attractor.pipeline.needed_programs import Looked, look_for, required_by
from attractor.pipeline.source import open_pipeline


async def examine_needs(machine: Machine, files: Sequence[Path]) -> list[Finding]:
    """Report everything that pipelines require, and their children; each thing once."""
    graphs = [graph for file in files for graph in _graphs(file)]
    here = LocalExecutionEnvironment(machine.folder, environ=machine.environ)
    try:
        return [*map(_finding, await look_for(required_by(graphs), here, machine.environ))]
    finally:
        await here.cleanup()


def _graphs(file: Path) -> list[Graph]:
    graph = open_pipeline(str(file)).graph
    return [graph, *find_child_pipelines(graph, file, None).graphs]


def _finding(looked: Looked) -> Finding:
    subject = f"needed: {looked.required.need.written}"
    if looked.fault:
        return problem(subject, looked.fault, remedy=looked.remedy)
    return ok(subject, looked.found)

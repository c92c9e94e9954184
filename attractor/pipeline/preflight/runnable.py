"""Finds the errors for which a run refuses a pipeline, so that `validate` reports them too."""

from dataclasses import replace
from pathlib import Path

from attractor.language.diagnostics import in_order
from attractor.language.preparation.prepare import Prepared
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.source.read import ProjectContext

_RULE = "runnable"


def check_runnable(prepared: Prepared, file: Path, project: ProjectContext) -> Prepared:
    """Return a prepared pipeline with the errors of the pipeline itself that a run would report.

    A pipeline with other errors is not checked.
    """
    graph = prepared.graph
    if graph is None or any(fault.is_error for fault in prepared.diagnostics):
        return prepared
    children = find_child_pipelines(graph, file, project)
    named = (replace(fault, rule=_RULE) for fault in children.faults)
    return prepared._replace(diagnostics=tuple(in_order([*prepared.diagnostics, *named])))

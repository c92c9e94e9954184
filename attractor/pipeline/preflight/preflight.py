"""Reports every fault of a requested run at once: on this machine, then in its sandbox (R14)."""

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import cast

from attractor.backends.registry import backend_registry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.engine.errors import NotRunnable
from attractor.engine.preflight import find_faults, find_secret_names
from attractor.engine.seams import Handler
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.environments.selection import EnvironmentChoice
from attractor.handlers.registry import handler_registry
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph
from attractor.pipeline.components.backends import SIMULATE
from attractor.pipeline.components.run_components import preset_answers
from attractor.pipeline.host.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.backends import find_backend_faults, find_setting_faults
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.preflight.requirements import (
    find_long_commands,
    find_missing_here,
    find_missing_in_sandbox,
    required_by,
)
from attractor.pipeline.preflight.secrets import (
    find_secret_input_faults,
    find_secrets_in_pipeline,
    find_secrets_in_request,
)
from attractor.pipeline.preflight.workspace import find_workspace_faults
from attractor.pipeline.request import RunRequest
from attractor.pipeline.source.read import PipelineSource, project_of
from attractor.pipeline.workspace.sandbox import choose_sandbox


def find_request_faults(
    graph: Graph, request: RunRequest, custom_parts: CustomParts
) -> Iterator[Diagnostic]:
    """Yield each value of a request that is unknown or unusable here."""
    yield from custom_parts.find_missing(request.custom_parts)
    known = tuple(backend_registry())
    if request.backend not in (*known, HANDED_IN):
        unknown = UnknownName("backend", request.backend, known)
        yield error(f"--backend: {unknown.message}", fix=unknown.hint)
    yield from find_interviewer_faults(request, custom_parts)
    if request.outcomes is None:
        return
    if request.backend != SIMULATE:
        yield error(
            "--outcomes: outcomes are for the backend simulate", fix="add --backend simulate"
        )
    try:
        read_outcomes(dict(request.outcomes), nodes=graph.nodes)
    except UsageError as fault:
        yield error(f"--outcomes: {fault}", fix=fault.hint)


def find_interviewer_faults(request: RunRequest, custom_parts: CustomParts) -> Iterator[Diagnostic]:
    """Yield a fault if the interviewer of the request cannot be built."""
    if custom_parts.interviewer:
        return
    if request.interviewer == HANDED_IN:
        yield error(
            "the program that started the run passed its interviewer",
            fix="choose another one: --interviewer park",
        )
        return
    parts = InterviewerParts(input=StringIO(), output=StringIO(), answers=preset_answers(request))
    try:
        build_interviewer(request.interviewer, parts)
    except AttractorError as fault:
        yield error(f"--interviewer: {fault}", fix=fault.hint)


@dataclass(frozen=True)
class PreflightReport:
    """Every fault that would stop a run; without faults on the machine, its sandbox as well."""

    pipeline: str
    faults: tuple[Diagnostic, ...]
    sandbox: EnvironmentChoice | None = None

    def require_ok(self) -> EnvironmentChoice:
        """Return the sandbox, or raise all faults at once, each with its fix."""
        if self.faults or self.sandbox is None:
            raise NotRunnable(self.pipeline or "the graph", self.faults)
        return self.sandbox


async def preflight(
    pipeline: PipelineSource,
    request: RunRequest,
    host: RunHost,
    *,
    run_id: str = "",
    suite_pipeline: str = "",
    is_new: bool = False,
) -> PreflightReport:
    """Check a run before anything of it exists; nothing is created unless the machine is fine.

    `suite_pipeline` is the name of the pipeline that the suite of the run is for. The workspace is
    checked only for a run that `is_new`: any other run has one.
    """
    name = pipeline.graph.name
    children = find_child_pipelines(pipeline.graph, request.file, project_of(host))
    graphs = [pipeline.graph, *children.graphs]
    required = required_by(graphs)
    faults = [
        *_find_graph_faults(graphs, host),
        *find_secrets_in_pipeline(pipeline, host.redactor, host.environ),
        *(await find_workspace_faults(request, host) if is_new else ()),
        *find_setting_faults(host.llm),
        *find_request_faults(pipeline.graph, request, host.custom_parts),
        *_find_suite_faults(name, request.suite, suite_pipeline),
        *find_secret_input_faults(pipeline.graph, request),
        *find_secrets_in_request(request, host),
        *(fault for graph in graphs for fault in find_long_commands(graph)),
        *children.faults,
        *await find_backend_faults(graphs, request, host),
        *await find_missing_here(required, request, host),
    ]
    if faults:
        return PreflightReport(name, tuple(faults))
    sandbox = await choose_sandbox(request, host, run_id=run_id)
    return PreflightReport(
        name, tuple(await find_missing_in_sandbox(required, sandbox, host)), sandbox
    )


def _find_graph_faults(graphs: list[Graph], host: RunHost) -> Iterator[Diagnostic]:
    """Yield faults of a pipeline and its children that the engine would refuse."""
    shipped = cast(Mapping[str, Handler], handler_registry())
    handlers = {**shipped, **host.custom_parts.handlers}
    for graph in graphs:
        yield from find_faults(graph, handlers)
    yield from find_secret_names(graphs[0], host.redactor)


def _find_suite_faults(name: str, suite: str, suite_pipeline: str) -> Iterator[Diagnostic]:
    if suite_pipeline and suite_pipeline != name:
        yield error(
            f"the suite {suite.partition('#')[0]} is for the pipeline {suite_pipeline!r}, "
            f"not for {name!r}",
            fix="choose another suite, or correct `pipeline` in its suite.toml",
        )

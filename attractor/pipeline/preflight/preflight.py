"""Checks the backends, the workspace and the child pipelines of a run before it starts."""

import os
from collections import ChainMap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field, replace
from io import StringIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from attractor.backends.registry import NeedsProgram, backend_registry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.engine.preflight import find_faults, find_secret_names, resolve_handler
from attractor.engine.prompts.inherited_context import ModelTask, model_task
from attractor.engine.seams import Handler
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.environments.environment import Promises
from attractor.environments.errors import NO_PORTS, PORTS_HINT
from attractor.environments.places.registry import place_registry
from attractor.environments.selection import EnvironmentChoice
from attractor.handlers.registry import handler_registry
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.language.diagnostics import Diagnostic, NotRunnable, error
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.components.backends import AGENT, SIMULATE, backend_of
from attractor.pipeline.components.run_components import preset_answers
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.preflight.requirements import (
    check_where_stages_work,
    find_missing_here,
    find_secret_input_faults,
    find_secrets_in_pipeline,
    find_secrets_in_request,
    find_unusable_secrets,
    find_unusable_variables,
    required_by,
)
from attractor.pipeline.project.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.source.read import PipelineSource, context_of, pipeline_name
from attractor.pipeline.source.vocabulary import KnownAgents
from attractor.pipeline.workspace.create import HEAD, choose_sandbox, excluded_paths
from attractor.records.request import RunRequest
from attractor.workspaces.create.from_folder import read_commit_rules, read_copy_rules
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.errors import FolderTooLarge, NotARepository, UnknownCommit
from attractor.workspaces.git.gitignore import IgnoreRules
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.result_tree import EXCLUDED, protected_paths
from attractor.workspaces.setup.cache import carry_problem, is_plain_entry, read_only_problem
from attractor.workspaces.snapshot import SnapshotRules

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings


CODERGEN = "codergen"
_ANSWERS = (ModelTask.AN_ANSWER, ModelTask.ADVICE)


async def find_backend_faults(
    graphs: Sequence[Graph],
    request: RunRequest,
    scope: RunScope,
    *,
    is_model_asked: bool,
) -> Sequence[Diagnostic]:
    """Return a fault for each unknown backend or agent, each model that cannot be used, and each
    program that is missing.
    """
    nodes = _all_backend_nodes(graphs, scope)
    agents = KnownAgents(scope.agents_folder)
    found = [*find_unknown_backends(nodes, _backend_of_run(request, scope), agents)]
    if asking := _agent_nodes(graphs, request, scope):
        # Models and agents are slow to import.
        from attractor.pipeline.preflight.models import find_faults

        found += await find_faults(asking, request, scope)
    return [*found, *_find_program_faults(graphs, request, scope, is_model_asked)]


def find_unpriced_models(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope, most: Budgets = NO_BUDGETS
) -> Sequence[Diagnostic]:
    """Return a fault for each model without a price in a graph or of an agent with limited cost.

    The first graph is that of the run, within whose limits the others stay. `most` is the limit of
    the policy.
    """
    first, *_ = graphs
    limit = request.budgets.over(read_budgets(first)).within(most)
    is_limited = limit.cost_usd is not None
    limited = [one for one in graphs if is_limited or read_budgets(one).cost_usd is not None]
    asking = _agent_nodes(limited, request, scope)
    nodes = _agent_nodes(graphs, request, scope)
    agents = [node for node in nodes if node.attributes.text("agent")]
    if not (asking or agents):
        return ()
    # Models and agents are slow to import.
    from attractor.pipeline.preflight.models import find_unpriced, find_unpriced_of_limited_agents

    return [
        *find_unpriced(asking, request, scope),
        *find_unpriced_of_limited_agents(agents, request, scope),
    ]


def _find_program_faults(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope, is_model_asked: bool
) -> Iterator[Diagnostic]:
    programs = _program_backends(graphs, request, scope, is_model_asked=is_model_asked)
    for backend, nodes in programs:
        answering = [node for node in nodes if model_task(node) in _ANSWERS]
        executing = [node for node in nodes if node not in answering]
        yield from backend.find_missing(executing, answering)


def _program_backends(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope, *, is_model_asked: bool = False
) -> Iterator[tuple[NeedsProgram, Sequence[Node]]]:
    """Yield each chosen backend that needs a program, with its nodes."""
    registry = backend_registry()
    for name, nodes in nodes_by_backend(graphs, request, scope).items():
        if name in registry and name not in (AGENT, SIMULATE):
            # Models and agents are slow to import.
            from attractor.pipeline.components.models import outside_parts

            parts = outside_parts(request, scope, is_model_asked=is_model_asked)
            backend = registry[name](parts)
            if isinstance(backend, NeedsProgram):
                yield backend, nodes


def nodes_by_backend(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope
) -> Mapping[str, Sequence[Node]]:
    """Return the nodes whose stages call a backend, by the name of the backend."""
    of_run = _backend_of_run(request, scope)
    by_name: dict[str, list[Node]] = {}
    for node in _all_backend_nodes(graphs, scope):
        by_name.setdefault(backend_of(node, of_run), []).append(node)
    return by_name


def _all_backend_nodes(graphs: Sequence[Graph], scope: RunScope) -> Sequence[Node]:
    handlers = _all_handlers(scope)
    return [node for graph in graphs for node in _backend_nodes(graph, handlers)]


def _all_handlers(scope: RunScope) -> Mapping[str, Handler]:
    # Not merged into one dict: that would load every handler.
    return ChainMap(dict(scope.parts.handlers), cast("dict[str, Handler]", handler_registry()))


def _agent_nodes(graphs: Sequence[Graph], request: RunRequest, scope: RunScope) -> Sequence[Node]:
    of_run = _backend_of_run(request, scope)
    nodes = _all_backend_nodes(graphs, scope)
    return [node for node in nodes if backend_of(node, of_run) == AGENT]


def _backend_of_run(request: RunRequest, scope: RunScope) -> str:
    return HANDED_IN if scope.parts.backend else request.backend


async def choose_default_model(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope
) -> tuple[RunRequest, Sequence[str]]:
    """Return the request with the default model of the run, and notices for a person."""
    nodes = _agent_nodes(graphs, request, scope)
    if not nodes and not any(_program_backends(graphs, request, scope)):
        return request, ()
    # Models and agents are slow to import.
    from attractor.pipeline.preflight.models import choose_model

    return await choose_model(nodes, request, scope)


def find_unknown_backends(
    nodes: Iterable[Node], of_run: str, agents: Collection[str]
) -> Iterator[Diagnostic]:
    """Yield each node that names an unknown backend, or an agent that its backend cannot use."""
    known = backend_registry()
    for node in nodes:
        backend = backend_of(node, of_run)
        if backend not in known and backend not in (of_run, HANDED_IN):
            unknown = UnknownName("backend", backend, tuple(known))
            message = f"node {node.id}: backend={backend}: {unknown.message}"
            yield error(message, _span(node, "backend"), node=node.id, fix=unknown.hint)
        agent = node.attributes.text("agent")
        if agent and backend == AGENT and agent not in agents:
            unknown = UnknownName("agent", agent, agents)
            message = f"node {node.id}: agent={agent}: {unknown.message}"
            yield error(message, _span(node, "agent"), node=node.id, fix=unknown.hint)
        elif agent and backend in known and backend not in (AGENT, SIMULATE):
            # A program has its own tools, so the permissions of the agent would not hold.
            message = f"node {node.id}: agent={agent}: the backend {backend} does not use agents"
            fix = f"set backend={AGENT}, or remove agent"
            yield error(message, _span(node, "agent"), node=node.id, fix=fix)


def _find_setting_faults(settings: "LlmSettings | None") -> Sequence[Diagnostic]:
    """Return each setting that names an unknown provider and therefore has no effect."""
    if settings is None or not settings.names_providers:
        return ()
    # Models and agents are slow to import.
    from attractor.pipeline.preflight.models import find_setting_faults

    return [*find_setting_faults(settings)]


def _backend_nodes(graph: Graph, handlers: Mapping[str, Handler]) -> Iterator[Node]:
    """Yield the nodes whose stages call a backend."""
    for node in graph.nodes.values():
        try:
            handler = resolve_handler(node, handlers)
        except UsageError:  # reported as a fault of the graph
            continue
        calls_backend = (
            handler is handlers[CODERGEN]
            or model_task(node) in _ANSWERS
            # Handlers of other packages say themselves that they ask the backend.
            or getattr(handler, "asks_model", False)
        )
        if node not in graph.exits and calls_backend:
            yield node


def _span(node: Node, key: str) -> Span:
    value = node.attributes.value(key)
    return value.span if value and value.span.is_somewhere else node.span


_TABLE = "[workspace] of attractor.toml"


async def find_workspace_faults(request: RunRequest, scope: RunScope) -> Sequence[Diagnostic]:
    """Return the errors in the workspace settings of a run, each with its fix."""
    project = scope.project
    wanted = scope.preparation
    delivered = workspace_registry()[request.workspace].how_delivered
    if delivered == "patch":
        try:
            ours = excluded_paths(project, project.root)
            rules = await read_copy_rules(project.root, ours)
        except FolderTooLarge as fault:
            return [error(fault.message, fix=fault.hint)]
        protected = protected_paths({}, (*EXCLUDED, *ours))
        return list(_carry_faults(scope, replace(rules, protected=protected)))
    is_any = wanted.carry or wanted.carry_read_only or wanted.setup_files
    if delivered != "branch" or not is_any:
        return []
    try:
        repository = await open_repository(project.root, search_path=project.machine.search_path)
        looked = await read_commit_rules(repository, await repository.commit(HEAD))
    except (NotARepository, UnknownCommit) as fault:
        return [error(fault.message, fix=fault.hint)]
    faults = list(_carry_faults(scope, looked.rules))
    # Uncommitted files may be copied too; then they are checked too.
    return faults if request.include_dirty else [*faults, *_setup_faults(scope, looked.files)]


def _carry_faults(scope: RunScope, rules: SnapshotRules) -> Iterator[Diagnostic]:
    project = scope.project
    for path in scope.preparation.carry:
        message = f"invalid path {path!r} in carry of {_TABLE}"
        plain = str(PurePosixPath(path))
        if problem := carry_problem(plain, rules) or _records_problem(plain, project):
            yield error(f"{message}: {problem}", fix=_fix(problem, "carry"))
        elif not os.path.lexists(project.root / plain):
            yield error(
                f"{message}: it does not exist in {project.root}",
                fix="create it, or remove it from carry",
            )
    yield from _read_only_faults(scope, rules)


def _read_only_faults(scope: RunScope, rules: SnapshotRules) -> Iterator[Diagnostic]:
    wanted, project = scope.preparation, scope.project.root
    for at, path in enumerate(wanted.shown_paths):
        message = f"invalid path {wanted.carry_read_only[at]!r} in carry_read_only of {_TABLE}"
        others = [*wanted.copied_paths, *wanted.shown_paths[:at]]
        problem = read_only_problem(path, rules, folder=project, others=others)
        # A sandbox hides the content of a folder at the top level: see `bubblewrap.py`.
        problem = problem or _records_problem(path, scope.project, is_covered="/" not in path)
        if problem:
            yield error(f"{message}: {problem}", fix=_fix(problem, "carry_read_only"))
        elif not is_plain_entry(project, path):
            yield error(
                f"{message}: it is not a file or folder in {project}",
                fix="create it (links do not count), or remove it from carry_read_only",
            )


def _records_problem(path: str, project: Project, *, is_covered: bool = False) -> str:
    """Return the reason why agents must not read a path: Attractor's records; otherwise ""."""
    source = (project.root / path).resolve()
    for ours in (project.runs_dir.resolve(), project.machine.state_dir.resolve()):
        if source.is_relative_to(ours):
            return "agents have no access to it"
        if ours.is_relative_to(source) and not is_covered:
            return f"it contains {ours}, to which agents have no access"
    return ""


def _fix(problem: str, name: str) -> str:
    if "git does not ignore" in problem:
        return (
            "add it to .gitignore and commit .gitignore; files in Git are in the workspace anyway"
        )
    if "twice" in problem or "overlaps" in problem:
        return "list it once, either in carry (copied) or in carry_read_only"
    return f"remove it from {name}"


def _setup_faults(scope: RunScope, files: Set[bytes]) -> Iterator[Diagnostic]:
    for pattern in scope.preparation.setup_files if scope.preparation.setup else ():
        rules = IgnoreRules({}, [pattern])
        if not any(map(rules.ignores_file, files)):
            yield error(
                f"no file of the last commit matches {pattern!r} in setup_files of {_TABLE}",
                fix="write a pattern as in .gitignore, and commit the file",
            )


def find_request_faults(
    graph: Graph, request: RunRequest, custom_parts: CustomParts
) -> Iterator[Diagnostic]:
    """Yield each value of a request that is unknown or that cannot be used on this machine."""
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
    if custom_parts.interviewer or not request.interviewer:
        return
    if request.interviewer == HANDED_IN:
        yield error(
            "the run used an interviewer object of another program, which is not available here",
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
    """The errors that would stop a run, and, if the machine has no errors, the sandbox
    of the run.

    `request` contains the chosen default model; `notices` are sentences for a person. The first
    stage begins only if the `providers` answer. With `is_machine_at_fault`, all errors are missing
    models, programs and variables, with which the same run can begin later. `promises` are those of
    the stages.
    """

    pipeline: str
    request: RunRequest
    faults: tuple[Diagnostic, ...]
    sandbox: EnvironmentChoice | None = None
    notices: Sequence[str] = ()
    providers: tuple[str, ...] = ()
    is_machine_at_fault: bool = True
    promises: Promises = field(default_factory=Promises)

    def require_ok(self) -> EnvironmentChoice:
        """Return the sandbox, or raise one exception with all errors, each with its fix."""
        if self.faults or self.sandbox is None:
            raise NotRunnable(
                self.pipeline or "the graph", self.faults, is_not_now=self.is_machine_at_fault
            )
        return self.sandbox


async def preflight(
    pipeline: PipelineSource,
    request: RunRequest,
    scope: RunScope,
    *,
    run_id: str = "",
    is_new: bool = False,
    is_model_asked: bool = False,
    budgets: Budgets = NO_BUDGETS,
) -> PreflightReport:
    """Check a run before it exists; the sandbox is only made if the checks of the machine pass.

    The workspace is only checked if the run `is_new`: any other run already has a workspace. With
    `is_model_asked`, a model of the request that a backend cannot use is a fault. `budgets` are
    those of the policy.
    """
    project = scope.project
    name = pipeline_name(pipeline.graph, request.file)
    children = find_child_pipelines(pipeline.graph, request.file, context_of(scope))
    graphs = [pipeline.graph, *children.graphs]
    required = required_by(graphs)
    request, notices = await choose_default_model(graphs, request, scope)
    of_machine = [
        *await find_backend_faults(graphs, request, scope, is_model_asked=is_model_asked),
        *await find_missing_here(required, request, project),
    ]
    of_run = [
        *_find_graph_faults(graphs, scope),
        *find_secrets_in_pipeline(pipeline, scope.redactor, project.machine.environ),
        *(await find_workspace_faults(request, scope) if is_new else ()),
        *_find_setting_faults(project.llm),
        *find_request_faults(pipeline.graph, request, scope.parts),
        *find_secret_input_faults(pipeline.graph, request),
        *find_secrets_in_request(request, scope),
        *find_unusable_secrets(project),
        *find_unusable_variables(pipeline),
        *children.faults,
        *(find_unpriced_models(graphs, request, scope, budgets) if is_new else ()),
    ]
    if faults := (*of_run, *of_machine):
        report = PreflightReport(name, request, faults, notices=notices)
        return replace(report, is_machine_at_fault=not of_run)
    programs = [*_program_backends(graphs, request, scope)]
    notices = [*notices, *_notices_about(programs, request, project)]
    read = [path for backend, _ in programs for path in backend.readable_paths()]
    there = [word for backend, _ in programs for word in backend.needed_there()]
    place = project.places.get(request.place)
    if place and any(backend.needs_ports() for backend, _ in programs):
        there += place_registry()[place.kind].needed_by_ports
    sandbox = await choose_sandbox(request, scope, run_id=run_id, read=read)
    checked = await check_where_stages_work(required, request, sandbox, project, there)
    missing = (*checked.faults, *_find_missing_ports(graphs, request, scope, sandbox))
    providers: tuple[str, ...] = ()
    if asking := _agent_nodes(graphs, request, scope):
        # Models and agents are slow to import.
        from attractor.pipeline.preflight.models import list_providers

        providers = list_providers(asking, request, scope)
    report = PreflightReport(name, request, missing, sandbox, notices, providers)
    return replace(report, promises=checked.promises)


def _notices_about(
    programs: Sequence[tuple[NeedsProgram, Sequence[Node]]], request: RunRequest, project: Project
) -> Iterator[str]:
    """Yield sentences about uncounted model calls, and about variables that leave this machine."""
    for backend, nodes in programs:
        yield from backend.find_unmetered(nodes)
    if not (request.place and project.agent):
        return
    for name, server in project.agent.mcp.items():
        if server.command and server.env:
            yield (
                f"The MCP server {name} of agents starts in the place {request.place}, and its "
                f"variables go there: {', '.join(server.env)}."
            )


def _find_missing_ports(
    graphs: Sequence[Graph], request: RunRequest, scope: RunScope, sandbox: EnvironmentChoice
) -> Iterator[Diagnostic]:
    """Yield a fault for each node whose program cannot reach its models in the sandbox."""
    for backend, nodes in _program_backends(graphs, request, scope):
        if not request.place and not sandbox.has_ports and backend.needs_ports():
            name = backend_of(nodes[0], _backend_of_run(request, scope))
            yield error(
                f"node {nodes[0].id}: backend={name}: {NO_PORTS}, so programs cannot reach their "
                "models",
                _span(nodes[0], "backend"),
                node=nodes[0].id,
                fix=PORTS_HINT,
            )


def _find_graph_faults(graphs: list[Graph], scope: RunScope) -> Iterator[Diagnostic]:
    """Yield the errors for which the engine would refuse a pipeline or its child pipelines."""
    handlers = _all_handlers(scope)
    for graph in graphs:
        yield from find_faults(graph, handlers)
    yield from find_secret_names(graphs[0], scope.redactor)

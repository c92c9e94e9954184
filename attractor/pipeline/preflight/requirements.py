"""Finds all that a run lacks before anything of it is made (ruling R14).

Finds commands that no shell can be started with: the system takes only so much for one word.

Refuses before anything is made what cannot be run, or not without telling a secret.

Looks for what pipelines need where their tools will run, before anything of a run is made.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import cast

from attractor.backends.models import ModelDefaults, find_model_faults
from attractor.backends.registry import backend_registry
from attractor.base.errors import UnknownName, UsageError
from attractor.engine.errors import NotRunnable
from attractor.engine.preflight import find_faults, require_executable, resolve_handler
from attractor.engine.prompts.model_tasks import ModelTask, model_task
from attractor.engine.seams import Handler
from attractor.engine.simulation.outcomes import read_outcomes
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.selection import Choice
from attractor.handlers.registry import handler_registry
from attractor.language.declarations.inputs import declared_inputs, fault_of_secret, variable_of
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph, Node
from attractor.pipeline.components.backends import (
    AGENT,
    SIMULATE,
    backend_of,
    find_backend_faults,
)
from attractor.pipeline.components.interviewer import find_interviewer_faults
from attractor.pipeline.components.model_middleware import find_provider_faults
from attractor.pipeline.host.custom_parts import HANDED_IN, NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.host.own_texts import is_in_own_texts
from attractor.pipeline.host.run_host import RunHost, untold
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.preflight.programs import (
    ProgramCheck,
    Required,
    faults_among,
    look_for,
    programs_among,
    required_by,
)
from attractor.pipeline.preflight.secrets import (
    find_told_secrets,
    find_withheld,
    variables_in,
    ways_to_give,
)
from attractor.pipeline.request import RunRequest
from attractor.pipeline.source.read import PipelineSource, ProjectContext, project_of
from attractor.workspaces.folders import borrowed_folder, prepare_place

LONGEST = 128 * 1024 - 1
"""How many bytes Linux takes for one argument of a program."""

_COMMANDS = {"tool_command", "script", "tool_hooks.pre", "tool_hooks.post"}


def find_long_commands(graph: Graph) -> Iterator[Diagnostic]:
    """Yield each command that is too long to be run."""
    for holder, attribute in each_attribute(graph, _COMMANDS):
        size = len(str(attribute.value).encode("utf-8", "surrogatepass"))
        if size > LONGEST:
            told = f"{holder.node or 'the graph'}: {attribute.key} has {size} bytes, and a shell "
            fix = "put it into a script beside the pipeline, and call that"
            yield error(f"{told}takes {LONGEST}", attribute.value.span, fix=fix)


ASKS_A_BACKEND = "codergen"
_ANSWERS = (ModelTask.AN_ANSWER, ModelTask.ADVICE)
_GIVEN_AGAIN = frozenset({"goal", "inputs"})


async def require_runnable(
    graph: Graph,
    request: RunRequest,
    environ: Mapping[str, str],
    *,
    known: ProjectContext | None = None,
    more: Iterable[Diagnostic] = (),
) -> Sequence[Required]:
    """Refuse what could not be run to its end: every fault at once, each with its remedy.

    The pipelines that it runs as its children are looked at as well. Returns what they need: where
    tools run in a sandbox, less may be found there. What is known to be wrong is told as well.
    """
    custom_parts = known.custom_parts if known else NO_CUSTOM_PARTS
    handlers = {**cast(Mapping[str, Handler], handler_registry()), **custom_parts.handlers}
    children = find_child_pipelines(graph, request.file, known)
    graphs = [graph, *children.graphs]
    missing = [*more, *custom_parts.lacking(request.handed_in)]
    missing += _option_faults(graph, request, custom_parts)
    missing += _secret_faults(graph, request)
    redactor = known.redactor if known else Redactor()
    missing += _told_options(request, redactor, environ)
    missing += chain.from_iterable(map(find_long_commands, graphs))
    missing += children.faults
    for one in children.graphs:
        missing += find_faults(one, handlers)
    tasks = [node for one in graphs for node in _tasks(one, handlers)]
    of_run = HANDED_IN if custom_parts.backend else request.backend
    missing += find_backend_faults(tasks, of_run)
    defaults = ModelDefaults(request.model, request.provider)
    by_agent = [node for node in tasks if backend_of(node, of_run) == AGENT]
    missing += await find_model_faults(by_agent, defaults, environ)
    required = required_by(graphs)
    missing += faults_among(await _look_here(required, request, environ))
    require_executable(graph, handlers, redactor, missing=missing)
    return required


async def _look_here(
    required: Sequence[Required], request: RunRequest, environ: Mapping[str, str]
) -> Sequence[ProgramCheck]:
    """Look for what is needed as the operator would find it."""
    if not required:
        return ()
    beside = request.file.parent
    here = LocalExecutionEnvironment(beside if beside.is_dir() else "/", environ=environ)
    try:
        return await look_for(required, here, environ)
    finally:
        await here.cleanup()


def _secret_faults(graph: Graph, request: RunRequest) -> Iterator[Diagnostic]:
    """Yield the secret inputs that were not given, or are none, and what is withheld."""
    yield from find_withheld(request)
    variables: dict[str, str] = {}
    for one in declared_inputs(graph):
        if not one.is_secret or f"inputs.{one.name}" in request.withheld:
            continue
        span = graph.attributes.by_key["inputs"].value.span
        first = variables.setdefault(variable_of(one.name), one.name)
        if first != one.name:
            told = f"the secrets {first} and {one.name} have the same variable"
            yield error(told, span, fix="give one of them another name")
        value = request.inputs.get(one.name)
        if value is None:
            told = f"the secret input {one.name} is missing"
            yield error(told, span, fix=ways_to_give(one.name))
        elif fault := fault_of_secret(value):
            yield error(f"the secret input {one.name} {fault}", span, fix="give a longer one")
        elif is_in_own_texts(value):
            told = (
                f"the secret input {one.name} has a value that Attractor's own records are full of"
            )
            yield error(f"{told}: it cannot be kept out of them", span, fix="give another one")


def _told_options(
    request: RunRequest, redactor: Redactor, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    """Yield what of the options holds a secret and could not be given again."""
    for name, value in request.to_record().items():
        if name not in _GIVEN_AGAIN and redactor.json(value) != value:
            word = "the path of the pipeline" if name == "file" else f"--{name.rstrip('s')}"
            variables = variables_in(json.dumps(value, ensure_ascii=False), redactor, environ)
            of = f"of the variable {variables[0]}" if variables else "of a secret"
            unset = f", or start attractor without it: env -u {variables[0]}" if variables else ""
            yield error(
                f"{word} holds the value {of}, which no run directory keeps",
                fix=f"take it out{unset}",
            )


def _tasks(graph: Graph, handlers: Mapping[str, Handler]) -> Iterator[Node]:
    """Yield the nodes that the backend does."""
    for node in graph.nodes.values():
        try:
            handler = resolve_handler(node, handlers)
        except UsageError:  # the engine tells of it
            continue
        is_task = handler is handlers[ASKS_A_BACKEND]
        if node not in graph.exits and (is_task or model_task(node) in _ANSWERS):
            yield node


def _option_faults(
    graph: Graph, request: RunRequest, custom_parts: CustomParts
) -> Iterator[Diagnostic]:
    """Yield what the options name and nothing here goes by."""
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


async def require_fit(
    pipeline: PipelineSource,
    request: RunRequest,
    host: RunHost,
    *,
    more: Sequence[Diagnostic] = (),
) -> Sequence[Required]:
    """Refuse what cannot be run to its end, or not without telling a secret."""
    told = [*find_told_secrets(pipeline, host.redactor, host.environ), *more]
    told += find_provider_faults(host.llm)
    known = project_of(host)
    return await require_runnable(pipeline.graph, request, host.environ, known=known, more=told)


_WHERE = "for the whole machine (below /usr), or run with --sandbox none"


async def require_inside(
    required: Sequence[Required], place: Choice, host: RunHost, *, what: str
) -> None:
    """Refuse what tools would not find in the sandbox, though it is on the operator's PATH."""
    programs = programs_among(required)
    if not programs or place.kind == "none":
        return
    # The place was made ready when the sandbox was chosen, and all there is to tell was told.
    with borrowed_folder(
        prepare_place(host.state_dir, shared=host.workspaces_dir, tell=untold)
    ) as scratch:
        looked = await _look(programs, place.make(scratch))
    if faults := list(faults_among([*map(_told, looked)])):
        raise NotRunnable(what or "the graph", faults)


async def _look(
    programs: Sequence[Required], environment: ExecutionEnvironment
) -> list[ProgramCheck]:
    try:
        await environment.initialize()
        return await look_for(programs, environment, {})
    finally:
        await environment.cleanup()


def _told(looked: ProgramCheck) -> ProgramCheck:
    if not looked.fault:
        return looked
    fault, remedy = f"in the sandbox {looked.fault}", f"{looked.remedy} {_WHERE}"
    return replace(looked, fault=fault, remedy=remedy)

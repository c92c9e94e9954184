"""Builds what a run is made of, each part by the name the options give it.

Lets a handler be called as the specification has it (attractor-spec 4.1, 4.12; ruling R10b).

Has each stage done by the backend that its node names, else by that of the run (ruling R14).

Chooses who asks people, and says beforehand what keeps them from that.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Protocol, cast

from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts, backend_registry
from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.base.registry import count_wanted
from attractor.engine.context import Context
from attractor.engine.errors import ConversationLost
from attractor.engine.interviews import AnsweredFirst, Questions
from attractor.engine.outcome import Outcome
from attractor.engine.prompts.model_tasks import ModelChoice, what_is_asked
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.runner import Steer
from attractor.engine.seams import NOBODY, Backend, Handler, Parts, Said, Stage
from attractor.engine.simulation.outcomes import NO_OUTCOMES, read_outcomes
from attractor.engine.walk.saved_conversations import (
    ReadKept,
    Rebuild,
    rebuild_nothing,
    rebuilder_of,
)
from attractor.environments.selection import Choice, choose_environment
from attractor.handlers.registry import handler_registry
from attractor.interviewers.queue import NAME as QUEUE
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import DEFAULT_TYPE, TYPE_OF_SHAPE, Graph, Node
from attractor.language.source.syntax_tree import Span
from attractor.llm.client import Client
from attractor.pipeline.host import HANDED_IN, Brought, RunHost
from attractor.pipeline.model_middleware import model_middleware
from attractor.pipeline.options import RunOptions
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.workspace.create import ready_state
from attractor.workspaces.folders import borrowed_folder

_HINT = "hand in an object with execute(node, context, graph, logs_root), or execute(stage)"
_OURS, _SPEC = 1, 4


class SpecHandler(Protocol):
    """Executes one node type, with the four arguments of the specification."""

    def execute(
        self, node: Node, context: Context, graph: Graph, logs_root: Path
    ) -> Outcome | Awaitable[Outcome]:
        """Do the work of one attempt and say how it ended."""
        ...


class SyncHandler(Protocol):
    """Executes one node type, and is not async: it gets a thread."""

    def execute(self, stage: Stage) -> Outcome:
        """Do the work of one attempt and say how it ended."""
        ...


AnyHandler = Handler | SyncHandler | SpecHandler


@dataclass(frozen=True)
class _Adapted:
    """A handler that wants four arguments."""

    called: Callable[..., object]

    async def execute(self, stage: Stage) -> Outcome:
        given = (stage.node, stage.context, stage.graph, stage.logs_root)
        # Whatever it is, whoever executes a stage looks at what it returned.
        return cast(Outcome, await call(self.called, *given))


def adapt_handler(type_: str, handler: AnyHandler) -> Handler:
    """Return a handler of a node type as the engine calls it, or refuse what is none."""
    if isinstance(handler, type):
        told = f"the handler of {type_} is a class"
        raise UsageError(told, hint=f"hand in an object: {handler.__name__}()")
    execute = getattr(handler, "execute", None)
    if not callable(execute):
        raise UsageError(f"the handler of {type_} has no method execute", hint=_HINT)
    wanted = count_wanted(execute)
    if wanted == _SPEC:
        return _Adapted(execute)
    if wanted != _OURS:
        raise UsageError(f"the handler of {type_} wants {wanted} arguments", hint=_HINT)
    return cast(Handler, handler)


def adapt_handlers(handlers: Mapping[str, AnyHandler]) -> dict[str, Handler]:
    """Return handlers by node type as the engine calls them."""
    return {type_: adapt_handler(type_, one) for type_, one in handlers.items()}


AGENT, SIMULATE = "agent", "simulate"
_BACKEND, _AGENT = "backend", "agent"


def backend_of(node: Node, of_run: str) -> str:
    """Return the backend that does a node's stage; a run that is simulated is so throughout."""
    return of_run if of_run == SIMULATE else node.attributes.text(_BACKEND) or of_run


@dataclass(frozen=True)
class NodeBackends:
    """Hands each stage on to one of several backends."""

    of_run: str
    backends: Mapping[str, Backend]

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Have the work done by the backend of the node."""
        return await self._of(stage).run(stage, prompt)

    async def answer(self, stage: Stage, prompt: str) -> Said | Outcome:
        """Have the prompt answered by the backend of the node."""
        return await self._of(stage).answer(stage, prompt)

    async def steer(self, stage_id: str, text: str) -> bool:
        """Hand words to whoever is at the stage; tell whether one took them."""
        return any([await one.steer(stage_id, text) for one in self.backends.values()])

    def rebuild(self, last: str, read: ReadKept) -> object:
        """Return the conversation that a stage left, from the backend that can make it again."""
        why = ConversationLost()
        for one in self.backends.values():
            try:
                return rebuilder_of(one)(last, read)
            except ConversationLost as lost:
                why = lost
        raise why

    def _of(self, stage: Stage) -> Backend:
        return self.backends[backend_of(stage.node, self.of_run)]


def find_backend_faults(nodes: Iterable[Node], of_run: str) -> Iterator[Diagnostic]:
    """Yield each node that names a backend that is not there, or an agent."""
    known = backend_registry()
    for node in nodes:
        named = backend_of(node, of_run)
        if named not in known and named not in (of_run, HANDED_IN):
            unknown = UnknownName("backend", named, tuple(known))
            told = f"node {node.id}: {_BACKEND}={named}: {unknown.message}"
            yield error(told, _place(node, _BACKEND), node=node.id, fix=unknown.hint)
        agent = node.attributes.text(_AGENT)
        if agent and named == AGENT:
            told = f"node {node.id}: {_AGENT}={agent}: agents cannot be chosen by name yet"
            fix = "take it out; llm_model and llm_provider choose the model of the stage"
            yield error(told, _place(node, _AGENT), node=node.id, fix=fix)


def _place(node: Node, key: str) -> Span:
    value = node.attributes.value(key)
    return value.span if value and value.span.is_somewhere else node.span


PROJECT_PROMPTS = Path("agents") / "_profiles"


@dataclass(frozen=True)
class Crew:
    """What does the stages of a run: a handler for each type, who takes words, who asks people.

    `asking` asks as the interviewer does, what was not answered in the journal of the run.
    Conversations are made again by `rebuild`.
    """

    handlers: Mapping[str, Handler]
    steer: Steer
    interviewer: Interviewer
    asking: Interviewer = NOBODY
    rebuild: Rebuild = rebuild_nothing


async def build_crew(
    pipeline: PipelineSource,
    options: RunOptions,
    world: RunHost,
    stack: AsyncExitStack,
    *,
    questions: Questions,
    interviewer: Interviewer,
) -> Crew:
    """Build the handler of every type the graph uses; what they hold open ends with the stack."""
    graph = pipeline.graph
    brought = world.brought
    backend = await _backend(graph, options, world, stack)
    # What was answered into the run's inbox is not asked again.
    asking = AnsweredFirst(interviewer, questions, clock=world.clock)
    parts = Parts(backend, asking, pipeline.shown, pipeline.secrets)
    registry = handler_registry()
    used = {_executed_as(node, {*registry, *brought.handlers}) for node in graph.nodes.values()}
    used -= {*brought.handlers}
    built = {name: adapt_handler(name, registry[name](parts)) for name in sorted(used)}
    handlers = {**built, **brought.handlers}
    return Crew(handlers, backend.steer, interviewer, asking, rebuilder_of(backend))


def _executed_as(node: Node, known: Set[str]) -> str:
    """Return the type by which a node is executed; one that is not known goes by its shape."""
    return node.type if node.type in known else TYPE_OF_SHAPE.get(node.shape, DEFAULT_TYPE)


async def choose_place(options: RunOptions, world: RunHost, *, run_id: str = "") -> Choice:
    """Choose where tools of a run run, and try out what that guards."""
    workspaces = ready_state(world)
    home = world.environ.get("HOME", "")
    hidden = [world.project, world.state_dir, world.runs_dir, *([Path(home)] if home else [])]
    if not options.workspace.is_apart:
        # The project itself is worked on, so nothing of it can be hidden; the gate knows that.
        hidden = [folder for folder in hidden if not folder.is_relative_to(world.project)]
    # What is tried lies where workspaces do, and sees no more of them than they see of each other.
    with borrowed_folder(workspaces) as scratch:
        return await choose_environment(
            options.sandbox,
            environ=world.variables_of_tools,
            hide=[folder for folder in [*hidden, workspaces.resolve()] if folder.exists()],
            scratch=scratch,
            run_id=run_id,
        )


async def _backend(
    graph: Graph, options: RunOptions, world: RunHost, stack: AsyncExitStack
) -> Backend:
    """Return the backend of the run, which hands on what nodes want to be done by others."""
    outcomes, brought = NO_OUTCOMES, world.brought.backend
    of_run = HANDED_IN if brought else options.backend
    if options.outcomes is not None and not brought:
        if of_run != SIMULATE:
            raise UsageError("outcomes are for the backend simulate", hint="add --backend simulate")
        outcomes = read_outcomes(dict(options.outcomes), nodes=graph.nodes)
    known = {*handler_registry(), *world.brought.handlers}
    asking = [one for one in graph.nodes.values() if _may_ask(one, known, world.brought)]
    named = {backend_of(node, of_run) for node in asking}
    parts = BackendParts(simulate=outcomes)
    if AGENT in named:
        middleware = model_middleware(world, stack)
        made = Client.from_env(world.environ, middleware=middleware)
        client = await stack.enter_async_context(made)
        parts = BackendParts(simulate=outcomes, agent=_agent_parts(client, options, world))
    registry = backend_registry()
    # A name that is not known stands on a node that no backend does: else nothing was begun.
    built: dict[str, Backend] = {one: registry[one](parts) for one in named if one in registry}
    if brought:
        built[HANDED_IN] = brought
    return built[of_run] if [*built] == [of_run] else NodeBackends(of_run, built)


def _may_ask(node: Node, known: Set[str], brought: Brought) -> bool:
    """Tell whether a stage may ask a backend: to load one takes as long as a few stages."""
    type_ = _executed_as(node, known)
    return type_ in brought.handlers or what_is_asked(node, type_) is not ModelChoice.NOTHING


def _agent_parts(client: Client, options: RunOptions, world: RunHost) -> AgentParts | None:
    if not client.providers:
        return None
    return AgentParts(
        client=client,
        model=options.model,
        provider=options.provider,
        clock=world.clock,
        prompt_folders=(world.project / PROJECT_PROMPTS,),
    )


RECORDING_FILE = "answers.jsonl"
"""Where answers are recorded in a run directory, unless another file is named."""


def choose_interviewer(options: RunOptions, world: RunHost, run: OpenRun) -> Interviewer:
    """Build who asks people: the one that was handed in, or the one that the options name."""
    if world.brought.interviewer:
        return world.brought.interviewer
    parts = InterviewerParts(
        input=world.input,
        output=world.output,
        answers=_answers(options),
        taken=run.state.given.get(QUEUE, 0),
        file=run.directory.root / RECORDING_FILE,
        redactor=run.redactor,
        alone=partial(_alone, world),
    )
    return build_interviewer(options.interviewer, parts)


@asynccontextmanager
async def _alone(world: RunHost) -> AsyncGenerator[None]:
    """Let a question stand behind what happened before it, and nobody write into it."""
    await world.news.heard()
    with world.quiet():
        yield


def find_interviewer_faults(options: RunOptions, brought: Brought) -> Iterator[Diagnostic]:
    """Yield what keeps the interviewer of a run from asking."""
    if brought.interviewer:
        return
    if options.interviewer == HANDED_IN:
        yield error(
            "the interviewer was handed in by the program that began the run",
            fix="name another one: --interviewer park",
        )
        return
    nobody = InterviewerParts(input=StringIO(), output=StringIO(), answers=_answers(options))
    try:
        build_interviewer(options.interviewer, nobody)
    except AttractorError as fault:
        yield error(f"--interviewer: {fault}", fix=fault.hint)


def _answers(options: RunOptions) -> list[Answer]:
    return [Answer(AnswerKind.GIVEN, value=value) for value in options.answers]

"""Builds what a run is made of, each part by the name the options give it."""

from collections.abc import Mapping, Set
from contextlib import AsyncExitStack
from pathlib import Path

from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts, backend_registry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.child_runs import NOBODY
from attractor.engine.interfaces import Backend, Handler, Parts
from attractor.engine.prompts.inherited_context import ModelChoice, what_is_asked
from attractor.engine.questions.answer import AnsweredFirst
from attractor.engine.questions.ask import Questions
from attractor.engine.questions.question import Interviewer
from attractor.engine.simulation.walk import NO_OUTCOMES, read_outcomes
from attractor.engine.walk import Steer
from attractor.engine.walk_context import Rebuild, rebuild_nothing, rebuilder_of
from attractor.environments.selection import Choice, choose_environment
from attractor.handlers.registry import handler_registry
from attractor.language.graph.graph import DEFAULT_TYPE, TYPE_OF_SHAPE, Graph, Node
from attractor.llm.client import Client
from attractor.pipeline.brought import HANDED_IN, Brought
from attractor.pipeline.custom_handlers import adapt_handler
from attractor.pipeline.model_middleware import model_middleware
from attractor.pipeline.node_backends import AGENT, SIMULATE, NodeBackends, backend_of
from attractor.pipeline.options import RunOptions
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.state_folder import ready_state
from attractor.pipeline.world import World
from attractor.workspaces.folders import borrowed_folder

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
    world: World,
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


async def choose_place(options: RunOptions, world: World, *, run_id: str = "") -> Choice:
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
    graph: Graph, options: RunOptions, world: World, stack: AsyncExitStack
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


def _agent_parts(client: Client, options: RunOptions, world: World) -> AgentParts | None:
    if not client.providers:
        return None
    return AgentParts(
        client=client,
        model=options.model,
        provider=options.provider,
        clock=world.clock,
        prompt_folders=(world.project / PROJECT_PROMPTS,),
    )

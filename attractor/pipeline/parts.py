"""Builds what a run is made of, each part by the name the options give it."""

from collections.abc import Mapping, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from attractor.backends.agent_parts import AgentParts
from attractor.backends.parts import BackendParts
from attractor.backends.registry import backend_registry
from attractor.base.errors import UsageError
from attractor.engine.absent import NOBODY
from attractor.engine.answers import AnsweredFirst
from attractor.engine.questions import Questions
from attractor.engine.seams import Backend, Handler, Interviewer, Parts
from attractor.engine.simulated_outcomes import NO_OUTCOMES, read_outcomes
from attractor.engine.watch import Steer
from attractor.environments.choose import Choice, choose_environment
from attractor.handlers.registry import handler_registry
from attractor.language.graph import Graph, Node
from attractor.language.inputs import declared_inputs
from attractor.language.shapes import DEFAULT_TYPE, TYPE_OF_SHAPE
from attractor.llm.client import Client
from attractor.pipeline.custom_handlers import adapt_handler
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.state_folder import ready_state
from attractor.pipeline.world import World
from attractor.workspaces.held_folders import borrowed_folder

PROJECT_PROMPTS = Path("agents") / "_profiles"


@dataclass(frozen=True)
class Crew:
    """What does the stages of a run: a handler for each type, who takes words, who asks people.

    `asking` asks as the interviewer does, what was not answered in the journal of the run.
    """

    handlers: Mapping[str, Handler]
    steer: Steer
    interviewer: Interviewer
    asking: Interviewer = NOBODY


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
    backend = brought.backend or await _backend(graph, options, world, stack)
    # What was answered into the run's inbox is not asked again.
    asking = AnsweredFirst(interviewer, questions, clock=world.clock)
    parts = Parts(backend, asking, _shown(pipeline))
    registry = handler_registry()
    used = {_executed_as(node, {*registry, *brought.handlers}) for node in graph.nodes.values()}
    used -= {*brought.handlers}
    built = {name: adapt_handler(name, registry[name](parts)) for name in sorted(used)}
    return Crew({**built, **brought.handlers}, backend.steer, interviewer, asking)


def _executed_as(node: Node, known: Set[str]) -> str:
    """Return the type by which a node is executed; one that is not known goes by its shape."""
    return node.type if node.type in known else TYPE_OF_SHAPE.get(node.shape, DEFAULT_TYPE)


def _shown(pipeline: PipelineSource) -> Mapping[str, str]:
    """Return the inputs that a stage may see: a secret never reaches a prompt."""
    secrets = {one.name for one in declared_inputs(pipeline.graph) if one.is_secret}
    return {name: value for name, value in pipeline.inputs.items() if name not in secrets}


async def choose_place(options: RunOptions, world: World) -> Choice:
    """Choose where tools run, and try out what that guards."""
    workspaces = ready_state(world)
    home = world.environ.get("HOME", "")
    hidden = [world.project, world.state_dir, world.runs_dir, *([Path(home)] if home else [])]
    if options.workspace is not WorkspaceKind.ISOLATED:
        # The project itself is worked on, so nothing of it can be hidden; the gate knows that.
        hidden = [folder for folder in hidden if not folder.is_relative_to(world.project)]
    # What is tried lies where workspaces do, and sees no more of them than they see of each other.
    with borrowed_folder(workspaces) as scratch:
        return await choose_environment(
            options.sandbox,
            environ=world.environ,
            hide=[folder for folder in [*hidden, workspaces.resolve()] if folder.exists()],
            scratch=scratch,
        )


async def _backend(
    graph: Graph, options: RunOptions, world: World, stack: AsyncExitStack
) -> Backend:
    outcomes = NO_OUTCOMES
    if options.outcomes is not None:
        outcomes = read_outcomes(dict(options.outcomes), nodes=graph.nodes)
    parts = BackendParts(simulate=outcomes)
    if options.backend == "agent":
        client = await stack.enter_async_context(Client.from_env(world.environ))
        parts = BackendParts(simulate=outcomes, agent=_agent_parts(client, options, world))
    elif options.outcomes is not None and options.backend != "simulate":
        raise UsageError("outcomes are for the backend simulate", hint="add --backend simulate")
    return backend_registry()[options.backend](parts)


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

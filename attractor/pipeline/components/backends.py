"""Builds the backends of a run."""

from collections.abc import Mapping, Set
from contextlib import AsyncExitStack

from attractor.backends.registry import BackendParts, backend_registry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.errors import ConversationLost
from attractor.engine.outcome import Outcome
from attractor.engine.prompts.inherited_context import ModelTask, model_task
from attractor.engine.seams import Backend, ModelAnswer, Stage
from attractor.engine.simulation.outcomes import NO_OUTCOMES, read_outcomes
from attractor.engine.walk.saved_conversations import ReadSaved, rebuilder_of
from attractor.handlers.registry import handler_registry
from attractor.language.graph.graph import DEFAULT_TYPE, TYPE_OF_SHAPE, Graph, Node
from attractor.pipeline.project.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.project.run_scope import RunScope
from attractor.records.request import RunRequest

AGENT, SIMULATE = "agent", "simulate"


def backend_of(node: Node, of_run: str) -> str:
    """Return the backend of a node; a simulated run simulates every node."""
    return of_run if of_run == SIMULATE else node.attributes.text("backend") or of_run


def takes_receipts(node: Node, request: RunRequest, custom_parts: CustomParts) -> bool:
    """Return whether a backend does real work for a node: no simulation, and no callback."""
    of_run = HANDED_IN if custom_parts.backend else request.backend
    return backend_of(node, of_run) not in (SIMULATE, HANDED_IN)


@dataclass(frozen=True)
class NodeBackends:
    """Passes each stage to the backend of its node."""

    of_run: str
    backends: Mapping[str, Backend]

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Run the stage with the backend of its node."""
        return await self._of(stage).run(stage, prompt)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Answer the prompt with the backend of the node."""
        return await self._of(stage).answer(stage, prompt)

    async def steer(self, stage_id: str, text: str) -> bool:
        """Send a message to the stage; return whether a backend accepted the message."""
        return any([await one.steer(stage_id, text) for one in self.backends.values()])

    def rebuild(self, last: str, read: ReadSaved) -> object:
        """Rebuild the conversation of a stage, with the first backend that can rebuild it."""
        why = ConversationLost()
        for one in self.backends.values():
            try:
                if rebuild := rebuilder_of(one):
                    return rebuild(last, read)
            except ConversationLost as lost:
                why = lost
        raise why

    def _of(self, stage: Stage) -> Backend:
        return self.backends[backend_of(stage.node, self.of_run)]


def executed_type(node: Node, known: Set[str]) -> str:
    """Return the type that executes a node; the type of the shape replaces an unknown type."""
    return node.type if node.type in known else TYPE_OF_SHAPE.get(node.shape, DEFAULT_TYPE)


async def build_backend(
    graph: Graph, request: RunRequest, scope: RunScope, stack: AsyncExitStack
) -> Backend:
    """Build the backend of the run, and the backends that its nodes name."""
    outcomes, custom_parts = NO_OUTCOMES, scope.parts.backend
    of_run = HANDED_IN if custom_parts else request.backend
    if request.outcomes is not None and not custom_parts:
        if of_run != SIMULATE:
            raise UsageError("outcomes are for the backend simulate", hint="add --backend simulate")
        outcomes = read_outcomes(dict(request.outcomes), nodes=graph.nodes)
    known = {*handler_registry(), *scope.parts.handlers}
    asking = [one for one in graph.nodes.values() if _may_ask(one, known, scope.parts)]
    named = {backend_of(node, of_run) for node in asking}
    parts = BackendParts(simulate=outcomes)
    if named - {SIMULATE, HANDED_IN}:
        # Models and agents take a sixth of a second to import.
        from attractor.pipeline.components.models import model_parts

        parts = await model_parts(request, scope, stack, asks_models=AGENT in named)
    registry = backend_registry()
    # Preflight refused unknown names, except at nodes that call no backend.
    built: dict[str, Backend] = {one: registry[one](parts) for one in named if one in registry}
    if custom_parts:
        built[HANDED_IN] = custom_parts
    return built[of_run] if [*built] == [of_run] else NodeBackends(of_run, built)


def _may_ask(node: Node, known: Set[str], custom_parts: CustomParts) -> bool:
    """Return whether any stage can call a backend.

    If no stage calls a backend, no backend is loaded, because loading a backend takes as long as a
    few stages.
    """
    type_ = executed_type(node, known)
    return type_ in custom_parts.handlers or model_task(node, type_) is not ModelTask.NOTHING

"""Has each stage done by the backend that its node names, else by that of the run (ruling R14)."""

from collections.abc import Iterable, Iterator, Mapping

from attractor.backends.registry import backend_registry
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.engine.errors import ConversationLost
from attractor.engine.interfaces import Backend, Said, Stage
from attractor.engine.outcome import Outcome
from attractor.engine.walk_context import ReadKept, rebuilder_of
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Node
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.brought import HANDED_IN

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

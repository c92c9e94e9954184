"""Finds unknown backends, agents, models and providers, in pipelines and in the settings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from attractor.backends.models import ModelDefaults, find_model_faults
from attractor.backends.registry import backend_registry
from attractor.base.errors import UnknownName, UsageError
from attractor.engine.preflight import resolve_handler
from attractor.engine.prompts.model_tasks import ModelTask, model_task
from attractor.engine.seams import Handler
from attractor.handlers.registry import handler_registry
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Span
from attractor.pipeline.components.backends import AGENT, backend_of
from attractor.pipeline.components.model_middleware import find_unknown_providers
from attractor.pipeline.host.custom_parts import HANDED_IN
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings

CODERGEN = "codergen"
_ANSWERS = (ModelTask.AN_ANSWER, ModelTask.ADVICE)


async def find_backend_faults(
    graphs: Sequence[Graph], request: RunRequest, host: RunHost
) -> Sequence[Diagnostic]:
    """Return a fault for each unknown backend or agent, and each model that cannot be used."""
    shipped = cast(Mapping[str, Handler], handler_registry())
    handlers = {**shipped, **host.custom_parts.handlers}
    tasks = [node for graph in graphs for node in _backend_nodes(graph, handlers)]
    of_run = HANDED_IN if host.custom_parts.backend else request.backend
    by_agent = [node for node in tasks if backend_of(node, of_run) == AGENT]
    defaults = ModelDefaults(request.model, request.provider)
    models = await find_model_faults(by_agent, defaults, host.environ)
    return [*find_unknown_backends(tasks, of_run), *models]


def find_unknown_backends(nodes: Iterable[Node], of_run: str) -> Iterator[Diagnostic]:
    """Yield each node that names an unknown backend, or an agent."""
    known = backend_registry()
    for node in nodes:
        backend = backend_of(node, of_run)
        if backend not in known and backend not in (of_run, HANDED_IN):
            unknown = UnknownName("backend", backend, tuple(known))
            message = f"node {node.id}: backend={backend}: {unknown.message}"
            yield error(message, _span(node, "backend"), node=node.id, fix=unknown.hint)
        agent = node.attributes.text("agent")
        if agent and backend == AGENT:
            message = f"node {node.id}: agent={agent}: agents cannot be chosen by name yet"
            fix = "remove it; llm_model and llm_provider choose the model of the stage"
            yield error(message, _span(node, "agent"), node=node.id, fix=fix)


def find_setting_faults(settings: "LlmSettings | None") -> Iterator[Diagnostic]:
    """Yield each setting that names an unknown provider, and so has no effect."""
    for key, unknown in find_unknown_providers(settings):
        yield error(f"the setting {key}: {unknown.message}", fix=unknown.hint)


def _backend_nodes(graph: Graph, handlers: Mapping[str, Handler]) -> Iterator[Node]:
    """Yield the nodes whose stages call a backend."""
    for node in graph.nodes.values():
        try:
            handler = resolve_handler(node, handlers)
        except UsageError:  # reported as a fault of the graph
            continue
        calls_backend = handler is handlers[CODERGEN] or model_task(node) in _ANSWERS
        if node not in graph.exits and calls_backend:
            yield node


def _span(node: Node, key: str) -> Span:
    value = node.attributes.value(key)
    return value.span if value and value.span.is_somewhere else node.span

"""Builds the handlers of every node type that a graph uses."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from attractor.base.dataclasses import dataclass
from attractor.engine.interviews import AnsweredFirst, Questions
from attractor.engine.questions.question import Interviewer
from attractor.engine.runner import Steer
from attractor.engine.seams import Handler, Parts
from attractor.engine.walk.saved_conversations import (
    Rebuild,
    rebuilder_of,
)
from attractor.handlers.registry import handler_registry
from attractor.pipeline.components.backends import build_backend, executed_type
from attractor.pipeline.host.custom_parts import adapt_handler
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest
from attractor.pipeline.source.read import PipelineSource


@dataclass(frozen=True)
class RunComponents:
    """The handlers of a run by type, its interviewer, and functions of its backend.

    `asking` is the interviewer for questions that the journal does not answer yet. `rebuild`
    rebuilds a conversation from its transcript.
    """

    handlers: Mapping[str, Handler]
    steer: Steer
    interviewer: Interviewer
    asking: Interviewer | None = None
    rebuild: Rebuild | None = None


async def build_components(
    pipeline: PipelineSource,
    request: RunRequest,
    host: RunHost,
    stack: AsyncExitStack,
    *,
    questions: Questions,
    interviewer: Interviewer,
) -> RunComponents:
    """Build the handler of every type that the graph uses; the stack closes their resources."""
    graph = pipeline.graph
    custom_parts = host.custom_parts
    backend = await build_backend(graph, request, host, stack)
    # Questions with an answer in the inbox are not asked again.
    asking = AnsweredFirst(interviewer, questions, clock=host.clock)
    parts = Parts(backend, asking, pipeline.shown, pipeline.secrets)
    registry = handler_registry()
    used = {
        executed_type(node, {*registry, *custom_parts.handlers}) for node in graph.nodes.values()
    }
    used -= {*custom_parts.handlers}
    built = {name: adapt_handler(name, registry[name](parts)) for name in sorted(used)}
    handlers = {**built, **custom_parts.handlers}
    return RunComponents(handlers, backend.steer, interviewer, asking, rebuilder_of(backend))

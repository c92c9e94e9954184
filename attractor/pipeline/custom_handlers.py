"""Lets a handler be called as the specification has it (attractor-spec 4.1, 4.12; ruling R10b)."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import count_wanted
from attractor.engine.context import Context
from attractor.engine.interfaces import Handler, Stage
from attractor.engine.outcome import Outcome
from attractor.language.graph.graph import Graph, Node

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

"""The parts that a program passes as objects, adapted to the engine."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol, cast

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import count_parameters
from attractor.engine.context import Context
from attractor.engine.outcome import Outcome
from attractor.engine.questions.question import Interviewer
from attractor.engine.seams import Backend, Handler, Stage
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph, Node
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.preparation.prepare import Transform

HANDED_IN = "handed in"
"""The name in a manifest for a part that a program passed as an object."""


@dataclass(frozen=True, kw_only=True)
class CustomParts:
    """The parts that a program passes as objects, and texts that replace files, by path."""

    handlers: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    backend: Backend | None = None
    interviewer: Interviewer | None = None
    transforms: Sequence[Transform] = ()
    rules: ExtraRules = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts that a resumed run needs; another interviewer can be passed."""
        named = [f"handler {type_}" for type_ in sorted(self.handlers)]
        named += ["backend"] if self.backend else []
        return (*named, *(f"transform {type(one).__name__}" for one in self.transforms))

    def find_missing(self, names: Sequence[str]) -> Iterator[Diagnostic]:
        """Yield a fault for each part that was passed at the start of the run, but is not passed
        now.
        """
        for name in names:
            if name not in self.names:
                yield error(
                    f"missing {name}: the program that started the run passed an object",
                    fix="resume the run with resume_pipeline from a program that passes the object",
                )


NO_CUSTOM_PARTS = CustomParts()

_HINT = "pass an object with execute(node, context, graph, logs_root), or execute(stage)"

_OURS, _SPEC = 1, 4


class SpecHandler(Protocol):
    """Executes one node type, with the four arguments of the specification."""

    def execute(
        self, node: Node, context: Context, graph: Graph, logs_root: Path
    ) -> Outcome | Awaitable[Outcome]:
        """Execute one attempt, and return its outcome."""
        ...


class SyncHandler(Protocol):
    """Executes one node type; `execute` is not async and is called in a thread."""

    def execute(self, stage: Stage) -> Outcome:
        """Execute one attempt, and return its outcome."""
        ...


AnyHandler = Handler | SyncHandler | SpecHandler


@dataclass(frozen=True)
class _Adapted:
    """Adapts a handler with the four arguments of the specification."""

    called: Callable[..., object]

    async def execute(self, stage: Stage) -> Outcome:
        arguments = (stage.node, stage.context, stage.graph, stage.logs_root)
        # The type is not checked here: the engine checks the outcome of every handler.
        return cast(Outcome, await call(self.called, *arguments))


def adapt_handler(type_: str, handler: AnyHandler) -> Handler:
    """Return a handler as the engine calls it, or refuse an invalid handler."""
    if isinstance(handler, type):
        message = f"the handler of {type_} is a class"
        raise UsageError(message, hint=f"pass an object: {handler.__name__}()")
    execute = getattr(handler, "execute", None)
    if not callable(execute):
        raise UsageError(f"the handler of {type_} has no method execute", hint=_HINT)
    wanted = count_parameters(execute)
    if wanted == _SPEC:
        return _Adapted(execute)
    if wanted != _OURS:
        raise UsageError(f"the handler of {type_} takes {wanted} arguments", hint=_HINT)
    return cast(Handler, handler)


def adapt_handlers(handlers: Mapping[str, AnyHandler]) -> dict[str, Handler]:
    """Return handlers by node type as the engine calls them."""
    return {type_: adapt_handler(type_, one) for type_, one in handlers.items()}

"""Parts that a program passes for its runs, and the adapter for handlers of the spec (R10b)."""

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
from attractor.language.preparation.transform import Transform

HANDED_IN = "handed in"
"""The name that a manifest keeps for a part that a program passed as an object."""


@dataclass(frozen=True, kw_only=True)
class CustomParts:
    """The parts that a program passes as objects, and the texts of pipelines without a file."""

    handlers: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    backend: Backend | None = None
    interviewer: Interviewer | None = None
    transforms: Sequence[Transform] = ()
    rules: ExtraRules = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts that a resumed run needs; the interviewer may change."""
        named = [f"handler {type_}" for type_ in sorted(self.handlers)]
        named += ["backend"] if self.backend else []
        return (*named, *(f"transform {type(one).__name__}" for one in self.transforms))

    def find_missing(self, names: Sequence[str]) -> Iterator[Diagnostic]:
        """Yield a fault for each part that the run started with and that is missing now."""
        for name in names:
            if name not in self.names:
                yield error(
                    f"the program that started the run passed its {name}",
                    fix="resume it from a program that passes it: resume_pipeline",
                )


NO_CUSTOM_PARTS = CustomParts()


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
    """Adapts a handler with the four arguments of the specification."""

    called: Callable[..., object]

    async def execute(self, stage: Stage) -> Outcome:
        given = (stage.node, stage.context, stage.graph, stage.logs_root)
        # Whatever it is, whoever executes a stage looks at what it returned.
        return cast(Outcome, await call(self.called, *given))


def adapt_handler(type_: str, handler: AnyHandler) -> Handler:
    """Return a handler as the engine calls it, or refuse an invalid one."""
    if isinstance(handler, type):
        told = f"the handler of {type_} is a class"
        raise UsageError(told, hint=f"hand in an object: {handler.__name__}()")
    execute = getattr(handler, "execute", None)
    if not callable(execute):
        raise UsageError(f"the handler of {type_} has no method execute", hint=_HINT)
    wanted = count_parameters(execute)
    if wanted == _SPEC:
        return _Adapted(execute)
    if wanted != _OURS:
        raise UsageError(f"the handler of {type_} wants {wanted} arguments", hint=_HINT)
    return cast(Handler, handler)


def adapt_handlers(handlers: Mapping[str, AnyHandler]) -> dict[str, Handler]:
    """Return handlers by node type as the engine calls them."""
    return {type_: adapt_handler(type_, one) for type_, one in handlers.items()}

"""Finds the backends: a file of this folder, or an entry point of its name, is one.

What every backend is built from.

Lets a backend be called as the specification has it (attractor-spec 4.5).
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, cast

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import Registry, count_parameters
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Backend, ModelAnswer, Stage
from attractor.engine.simulation.outcomes import NO_OUTCOMES, SimulatedOutcomes
from attractor.language.graph.graph import Node

if TYPE_CHECKING:
    from attractor.backends.models import AgentParts


@dataclass(frozen=True, kw_only=True)
class BackendParts:
    """What each backend needs, under the backend's name."""

    simulate: SimulatedOutcomes = NO_OUTCOMES
    agent: "AgentParts | None" = None


class BuiltBackend(Backend, Protocol):
    """A backend that is built from the parts every backend is built from."""

    def __init__(self, parts: BackendParts) -> None: ...


def backend_registry() -> Registry[type[BuiltBackend]]:
    """Return the backends by name; each works once it is given its parts."""
    return Registry("attractor.backends", type[BuiltBackend], noun="backend")


_HINT = "hand in an object with run(node, prompt, context), or such a function"
_SPEC = 3

Told = str | Outcome
BackendFunction = Callable[[Node, str, Context], Told | Awaitable[Told]]


class SpecBackend(Protocol):
    """Does a codergen stage, with the three arguments of the specification."""

    def run(self, node: Node, prompt: str, context: Context) -> Told | Awaitable[Told]:
        """Do the work a prompt asks for; text alone is the response of a success."""
        ...


AnyBackend = Backend | SpecBackend | BackendFunction


@dataclass(frozen=True)
class _Adapted:
    """A backend that wants three arguments."""

    called: Callable[..., object]

    async def run(self, stage: Stage, prompt: str) -> Told:
        said = await call(self.called, stage.node, prompt, stage.context)
        if isinstance(said, str | Outcome):
            return said
        told = f"the backend returned {type(said).__name__}, neither a text nor an Outcome"
        return failure(told, FailureClass.TERMINAL)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        said = await self.run(stage, prompt)
        return ModelAnswer(said) if isinstance(said, str) else said

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


def adapt_backend(backend: AnyBackend) -> Backend:
    """Return a backend as the engine calls it, or refuse what is none."""
    if isinstance(backend, type):
        raise UsageError("the backend is a class", hint=f"hand in an object: {backend.__name__}()")
    run: object = getattr(backend, "run", backend)
    if not callable(run):
        raise UsageError("the backend has no method run", hint=_HINT)
    if count_parameters(run) == _SPEC:
        return _Adapted(run)
    missing = [name for name in ("run", "answer", "steer") if not hasattr(backend, name)]
    if missing or count_parameters(run) != _SPEC - 1:
        raise UsageError(
            f"the backend cannot be called: it wants {count_parameters(run)} arguments", hint=_HINT
        )
    return cast(Backend, backend)

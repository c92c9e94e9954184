"""Finds backends: files in this folder, entry points, and objects passed by a program."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry, count_parameters
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Backend, ModelAnswer, Stage, StageMemory
from attractor.engine.simulation.outcomes import NO_OUTCOMES, SimulatedOutcomes
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph.graph import Node

if TYPE_CHECKING:
    from attractor.agent.tool_calls.tool import RegisteredTool
    from attractor.backends.accounts import Accounts
    from attractor.backends.models import AgentParts, ModelDefaults
    from attractor.backends.team import Team
    from attractor.config.logins import Login
    from attractor.config.settings import BackendsSettings
    from attractor.environments.terminal import PersonTerminal


@dataclass(frozen=True, kw_only=True)
class OutsideParts:
    """The parts of backends that run programs: the operator's variables, models and settings.

    `command` are the words of a person's own command, which reads `feedback` on its input.
    `logins` are those that a person allowed, by program.
    `is_sandboxed` is False if the run asks for no sandbox. With `is_model_asked`, the default model
    was asked for, and does not come from the settings. Without `accounts`, the limit of an
    account is a failure. `arguments` are further ones of a program, by backend. With `has_person`,
    a person works in the program's own terminal, which is shown in `terminal`, or talks there to
    the built-in agent. With `asks`, a program has to ask before its tool calls. Programs are in the
    `place` of the settings, if there is one, and not on this machine.
    """

    environ: Mapping[str, str]
    defaults: "ModelDefaults"
    settings: "BackendsSettings | None" = None
    asks: bool = False
    is_sandboxed: bool = True
    is_model_asked: bool = False
    prompt_folders: tuple[Path, ...] = ()
    accounts: "Accounts | None" = None
    logins: "Mapping[str, Login]" = field(default_factory=dict[str, "Login"])
    command: Sequence[str] = ()
    feedback: JsonObject = field(default_factory=dict[str, Json])
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    has_person: bool = False
    terminal: "PersonTerminal | None" = None
    place: str = ""


CLOSED = "was closed with the terminal in which a person worked"
"""The reason why the work of a person, whose terminal was killed, does not count as done."""


@dataclass(frozen=True, kw_only=True)
class BackendParts:
    """The parts that backends need, by kind of backend; and the agents that an agent may lead.

    The `tools` are offered to the built-in agent, besides its own.
    """

    simulate: SimulatedOutcomes = NO_OUTCOMES
    agent: "AgentParts | None" = None
    outside: OutsideParts | None = None
    team: "Team | None" = None
    memory: StageMemory | None = None
    tools: "Sequence[RegisteredTool]" = ()


class BuiltBackend(Backend, Protocol):
    """A backend that is created from BackendParts."""

    def __init__(self, parts: BackendParts) -> None: ...


@runtime_checkable
class NeedsProgram(Protocol):
    """A backend that needs a program on this machine."""

    def find_missing(
        self, nodes: Sequence[Node], answering: Sequence[Node]
    ) -> Iterator[Diagnostic]:
        """Yield what is missing to execute nodes; `answering` nodes only ask a model."""
        ...

    def find_unmetered(self, nodes: Sequence[Node]) -> Iterator[str]:
        """Yield a sentence if budgets do not count the model calls of the program themselves."""
        ...

    def readable_paths(self) -> Sequence[Path]:
        """Return the paths of the program that a sandbox must show."""
        ...

    def needed_there(self) -> Sequence[str]:
        """Return the programs that the place of a run must have."""
        ...

    def needs_ports(self) -> bool:
        """Return whether the program connects to this process, as to reach its models."""
        ...


def backend_registry() -> Registry[type[BuiltBackend]]:
    """Return the backend classes by name."""
    return Registry("attractor.backends", type[BuiltBackend], noun="backend")


def require_arguments(backend: str, arguments: Sequence[str]) -> None:
    """Refuse arguments of a program that its backend does not list as harmless."""
    options: Mapping[str, str] = getattr(backend_registry()[backend], "options", {})
    rest = [*arguments]
    if rest and not options:
        raise UsageError(
            f"{backend} takes no arguments after --",
            hint="remove them, or name a program: --with claude, codex, gemini or opencode",
        )
    while rest:
        flag, is_joined, value = rest.pop(0).partition("=")
        if flag not in options:
            raise UsageError(
                f"{backend} cannot get {flag}: Attractor sets it itself, or does not know it as "
                "harmless to the sandbox",
                hint=f"allowed are: {', '.join(options)}",
            )
        if not is_joined:
            value = rest.pop(0) if rest else ""
        if value.startswith("-") or not re.fullmatch(options[flag], value):
            raise UsageError(
                f"invalid value {value!r} of {flag}", hint=f"it must match {options[flag]}"
            )


_HINT = "pass an object with a method run(node, prompt, context), or such a function"
_SPEC = 3

BackendResult = str | Outcome
BackendFunction = Callable[[Node, str, Context], BackendResult | Awaitable[BackendResult]]


class SpecBackend(Protocol):
    """A backend with the three arguments of the specification."""

    def run(
        self, node: Node, prompt: str, context: Context
    ) -> BackendResult | Awaitable[BackendResult]:
        """Execute a stage with a prompt; a returned text is the response of a successful stage."""
        ...


AnyBackend = Backend | SpecBackend | BackendFunction


@dataclass(frozen=True)
class _Adapted:
    """Adapts a backend with three arguments."""

    called: Callable[..., object]

    async def run(self, stage: Stage, prompt: str) -> BackendResult:
        result = await call(self.called, stage.node, prompt, stage.context)
        if isinstance(result, str | Outcome):
            return result
        message = f"the backend returned {type(result).__name__}, not a text or an Outcome"
        return failure(message, FailureClass.TERMINAL)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        result = await self.run(stage, prompt)
        return ModelAnswer(result) if isinstance(result, str) else result

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


def adapt_backend(backend: AnyBackend) -> Backend:
    """Return a backend for the engine; raises a UsageError for an invalid one."""
    if isinstance(backend, type):
        raise UsageError("the backend is a class", hint=f"pass an object: {backend.__name__}()")
    run: object = getattr(backend, "run", backend)
    if not callable(run):
        raise UsageError("the backend has no method run", hint=_HINT)
    if count_parameters(run) == _SPEC:
        return _Adapted(run)
    missing = [name for name in ("run", "answer", "steer") if not hasattr(backend, name)]
    if missing or count_parameters(run) != _SPEC - 1:
        raise UsageError(
            f"invalid backend: run() takes {count_parameters(run)} arguments", hint=_HINT
        )
    return cast(Backend, backend)

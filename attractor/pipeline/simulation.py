"""Simulates a pipeline: its stages end as they are told to, and nothing is done.

What routing needs to know of a stage comes from the handlers of a real run where they touch
nothing; the others are stood in for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from attractor.backends.parts import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.canonical import Json
from attractor.base.errors import UsageError
from attractor.engine.errors import NotRunnable
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, success
from attractor.engine.preflight import find_faults
from attractor.engine.seams import (
    Answer,
    AnswerKind,
    Handler,
    Interviewer,
    Parts,
    Question,
    Stage,
)
from attractor.engine.simulated_outcomes import NO_OUTCOMES, SimulatedOutcomes
from attractor.engine.simulated_walk import MAX_STEPS, SimulatedWalk, walk
from attractor.handlers.codergen import Codergen
from attractor.handlers.conditional import Conditional
from attractor.handlers.exit import Exit
from attractor.handlers.registry import handler_registry
from attractor.handlers.start import Start
from attractor.handlers.wait__human import WaitHuman
from attractor.language.diagnostics import error
from attractor.language.graph import Graph

_NOT_YET = frozenset({"parallel", "parallel.fan_in", "stack.manager_loop"})
_SAY_NOTHING = frozenset({"start", "exit", "conditional"})

Answers = Mapping[str, Sequence[str]]
"""What people say at a gate, one answer a visit; the last one holds for all visits after it."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """How the stages of a simulation end, what people answer, and what the context begins with."""

    outcomes: SimulatedOutcomes = NO_OUTCOMES
    answers: Answers = field(default_factory=dict[str, Sequence[str]])
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    max_steps: int = MAX_STEPS


async def simulate(graph: Graph, script: Script) -> SimulatedWalk:
    """Walk through a pipeline by a script, or say why it cannot be simulated."""
    handlers = _handlers(script)
    require_simulated(graph)
    _refuse_unheard(graph, script)
    return await walk(graph, handlers, context=script.context, max_steps=script.max_steps)


def require_simulated(graph: Graph) -> None:
    """Refuse a pipeline that cannot be simulated, and say all that keeps it from that."""
    not_yet = [
        error(
            f"node {node.id}: nodes of type {node.type} cannot be simulated yet",
            node.span,
            fix="simulate the pipeline without it",
        )
        for node in graph.nodes.values()
        if node.type in _NOT_YET
    ]
    if faults := not_yet or list(find_faults(graph, _handlers(Script()))):
        raise NotRunnable(graph.name or "the graph", faults)


def _refuse_unheard(graph: Graph, script: Script) -> None:
    """Refuse what nothing would ask for, which would be ignored in silence."""
    for node in script.outcomes.by_node:
        kind = graph.nodes[node].type
        if kind in _SAY_NOTHING:
            raise UsageError(
                f"node {node!r} is of type {kind} and has no outcome of its own",
                hint="name the stage before it" if kind == "conditional" else "leave it out",
            )
    for node in script.answers:
        if graph.nodes[node].type != "wait.human":
            raise UsageError(f"node {node!r} asks nobody", hint="give it an outcome instead")


def _handlers(script: Script) -> Mapping[str, Handler]:
    backend = Simulate(BackendParts(simulate=script.outcomes))
    parts = Parts(backend, _Chosen(""))
    stand_in = _StandIn(script.outcomes)
    return {
        **dict.fromkeys(handler_registry(), stand_in),
        "start": Start(parts),
        "exit": Exit(parts),
        "conditional": Conditional(parts),
        "codergen": Codergen(parts),
        "wait.human": _Gate(parts, script),
    }


@dataclass(frozen=True)
class _StandIn:
    """Stands in for a handler that would do something, such as run a command."""

    outcomes: SimulatedOutcomes

    async def execute(self, stage: Stage) -> Outcome:
        """End as told, else well; what fails of itself is a verdict, as with a command."""
        told = self.outcomes.at(stage.node.id, stage.visit)
        if told is None:
            return success("Not executed: simulated")
        if told.status is StageStatus.FAIL and told.failure_class is None:
            return replace(told, failure_class=FailureClass.VERDICT)
        return told


@dataclass(frozen=True)
class _Gate:
    """Asks nobody at a human gate: what is chosen is told, else the default, else the first."""

    parts: Parts
    script: Script

    async def execute(self, stage: Stage) -> Outcome:
        """Choose as told; a gate may also be told to fail."""
        told = self.script.outcomes.at(stage.node.id, stage.visit)
        if told and not told.status.is_success:
            return told
        chosen = await WaitHuman(Parts(self.parts.backend, self._interviewer(stage, told))).execute(
            stage
        )
        if told is None or chosen.status is not StageStatus.SUCCESS:
            return chosen
        updates = {**chosen.context_updates, **told.context_updates}
        return replace(chosen, context_updates=updates, notes=told.notes or chosen.notes)

    def _interviewer(self, stage: Stage, told: Outcome | None) -> Interviewer:
        answers = self.script.answers.get(stage.node.id)
        if answers:
            return _Chosen(answers[min(stage.visit, len(answers)) - 1])
        if told and (told.preferred_label or told.suggested_next_ids):
            return _Chosen(told.preferred_label or told.suggested_next_ids[0])
        return _Chosen("", is_late=bool(stage.node.attributes.text("human.default_choice")))


@dataclass(frozen=True)
class _Chosen:
    """Answers with one choice, the first one when none is given; or too late, so with none."""

    choice: str
    is_late: bool = False

    async def ask(self, question: Question) -> Answer:
        """Choose."""
        if self.is_late:
            return Answer(AnswerKind.TIMEOUT)
        first = question.options[0].key
        return Answer(AnswerKind.GIVEN, self.choice or first, by="the simulation")

    async def inform(self, message: str, stage: str) -> None:
        """Tell nobody."""

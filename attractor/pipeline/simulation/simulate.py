"""Simulates a pipeline without a run directory, with outcomes and answers from a script."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError, suggest
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, success
from attractor.engine.preflight import find_faults
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer, Question, ask_each
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Backend, Handler, ModelAnswer, Parts, Stage
from attractor.engine.simulation.outcomes import NO_OUTCOMES, SimulatedOutcomes
from attractor.engine.simulation.walk import MAX_STEPS, SimulatedWalk, walk
from attractor.engine.truncation import response_updates
from attractor.handlers.codergen import Codergen
from attractor.handlers.conditional import Conditional
from attractor.handlers.exit import Exit
from attractor.handlers.for_each import ForEach
from attractor.handlers.parallel import Parallel
from attractor.handlers.parallel__fan_in import FanIn
from attractor.handlers.prompt import Prompt
from attractor.handlers.registry import handler_registry
from attractor.handlers.start import Start
from attractor.handlers.wait__human import GateChoice, WaitHuman, find_choices, match_choice
from attractor.language.diagnostics import NotRunnable
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import Attributes

_GATE = "wait.human"


def check_answers(graph: Graph, answers: Mapping[str, Sequence[str]]) -> None:
    """Refuse answers at nodes that are not human gates, and answers that are not a choice of the
    gate.
    """
    for node, said in answers.items():
        if node not in graph.nodes:
            raise UnknownName("node", node, graph.nodes)
        if graph.nodes[node].type != _GATE:
            raise UsageError(f"node {node!r} is not a human gate", hint="set its outcome instead")
        choices = list(_choices(graph, node))
        for answer in said:
            if not any(match_choice(answer, [one]) for one in choices):
                raise _none_of(node, answer, choices)


def _choices(graph: Graph, node: str) -> Iterator[GateChoice]:
    """Yield all choices of a gate; only the walk decides which choices are possible."""
    open_ = tuple(_without_condition(edge) for edge in graph.outgoing(node))
    yield from find_choices(replace(graph, edges=open_), node)
    for edge in open_:
        # The key of a choice depends on the other choices, so each is read alone too.
        yield from find_choices(replace(graph, edges=(edge,)), node)


def _without_condition(edge: Edge) -> Edge:
    remaining = {key: one for key, one in edge.attributes.by_key.items() if key != "condition"}
    return Edge(edge.source, edge.target, Attributes(remaining), edge.span)


def _none_of(node: str, answer: str, choices: Sequence[GateChoice]) -> UsageError:
    labels = list(dict.fromkeys(one.label for one in choices))
    near = suggest(answer, labels) or suggest(answer.lower(), map(normalize_label, labels))
    hint = f"did you mean {near}?" if near else f"its choices: {', '.join(labels) or 'none'}"
    return UsageError(f"node {node!r} has no choice {answer!r}", hint=hint)


_WITHOUT_OUTCOME = frozenset({"start", "exit", "conditional"})

Answers = Mapping[str, Sequence[str]]
"""The answers at a gate, one for each visit; the last answer repeats."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """The script of a simulation: outcomes of stages, answers of people, and initial context."""

    outcomes: SimulatedOutcomes = NO_OUTCOMES
    answers: Answers = field(default_factory=dict[str, Sequence[str]])
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    max_steps: int = MAX_STEPS


async def simulate(graph: Graph, script: Script) -> SimulatedWalk:
    """Walk through a pipeline by a script; raise an error if simulation is impossible."""
    handlers = _handlers(script)
    require_simulated(graph)
    _refuse_unused(graph, script)
    return await walk(graph, handlers, context=script.context, max_steps=script.max_steps)


def require_simulated(graph: Graph) -> None:
    """Refuse a pipeline that cannot be simulated; the error lists all faults."""
    if faults := list(find_faults(graph, _handlers(Script()))):
        raise NotRunnable(graph.name or "the graph", faults)


def _refuse_unused(graph: Graph, script: Script) -> None:
    """Refuse parts of a script that no stage would use, because they would be ignored silently."""
    for node in script.outcomes.by_node:
        kind = graph.nodes[node].type
        if kind in _WITHOUT_OUTCOME:
            raise UsageError(
                f"node {node!r} is of type {kind} and has no outcome of its own",
                hint="name the stage before it" if kind == "conditional" else "remove it",
            )
    for node in script.answers:
        if graph.nodes[node].type != "wait.human":
            raise UsageError(f"node {node!r} is not a human gate", hint="set its outcome instead")


def _handlers(script: Script) -> Mapping[str, Handler]:
    backend = _SimulatedBackend(Simulate(BackendParts(simulate=script.outcomes)))
    parts = Parts(backend, _Chosen(""))
    stand_in = _StandIn(script.outcomes)
    return {
        **dict.fromkeys(handler_registry(), stand_in),
        "start": Start(parts),
        "exit": Exit(parts),
        "conditional": Conditional(parts),
        "codergen": Codergen(parts),
        "parallel": _Scripted(Parallel(parts), script.outcomes),
        "parallel.fan_in": _Scripted(FanIn(parts), script.outcomes),
        "for_each": _Scripted(_OneItem(ForEach(parts)), script.outcomes),
        "prompt": Prompt(parts),
        "stack.manager_loop": stand_in,
        "wait.human": _Gate(parts, script),
    }


@dataclass(frozen=True)
class _SimulatedBackend:
    """The backend of a simulation: a stage ends as set in the script, otherwise it succeeds."""

    backend: Backend

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Return the outcome in the script, otherwise a success."""
        result = await self.backend.run(stage, prompt)
        if isinstance(result, Outcome) or not wants_verdict(stage.graph, stage.node):
            return result
        return success(result, **response_updates(stage.node.id, result))

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Return the outcome in the script, otherwise a success."""
        answer = await self.backend.answer(stage, prompt)
        if isinstance(answer, Outcome) or not wants_verdict(stage.graph, stage.node):
            return answer
        return success(answer.text, **response_updates(stage.node.id, answer.text))

    async def steer(self, stage_id: str, text: str) -> bool:
        """Return False: no stage is running."""
        return await self.backend.steer(stage_id, text)


@dataclass(frozen=True)
class _StandIn:
    """Replaces a handler that would have an effect, such as running a command."""

    outcomes: SimulatedOutcomes

    async def execute(self, stage: Stage) -> Outcome:
        """Return the outcome in the script, otherwise a success.

        Like the failure of a command, a failure counts as a verdict.
        """
        scripted = self.outcomes.at(stage.node.id, stage.visit)
        if scripted is None:
            return success("Not executed: simulated")
        if scripted.status is StageStatus.FAIL and scripted.failure_class is None:
            return replace(scripted, failure_class=FailureClass.VERDICT)
        return scripted


@dataclass(frozen=True)
class _Scripted:
    """Runs a handler that has no effects, unless the script says that the stage fails."""

    handler: Handler
    outcomes: SimulatedOutcomes

    async def execute(self, stage: Stage) -> Outcome:
        """Run the handler; return the outcome in the script, otherwise the handler's outcome."""
        scripted = self.outcomes.at(stage.node.id, stage.visit)
        if scripted and not scripted.status.is_success:
            return scripted
        done = await self.handler.execute(stage)
        if scripted is None or not done.status.is_success:
            return done
        updates = {**done.context_updates, **scripted.context_updates}
        return replace(scripted, context_updates=updates, notes=scripted.notes or done.notes)


@dataclass(frozen=True)
class _OneItem:
    """Gives a `for_each` one item if the list of items would come from a simulated stage."""

    handler: Handler

    async def execute(self, stage: Stage) -> Outcome:
        """Walk the branches of the items in the context, or one branch."""
        key = stage.node.attributes.text("items").removeprefix("context.")
        context = stage.context.clone()
        if key and context.get(key) is None:
            context.set(key, ["an item"])
        return await self.handler.execute(replace(stage, context=context))


@dataclass(frozen=True)
class _Gate:
    """Simulates a human gate: takes the choice in the script, otherwise the default, otherwise the
    first.
    """

    parts: Parts
    script: Script

    async def execute(self, stage: Stage) -> Outcome:
        """Return the choice in the script; the script can also make the gate fail."""
        scripted = self.script.outcomes.at(stage.node.id, stage.visit)
        if scripted and not scripted.status.is_success:
            return scripted
        chosen = await WaitHuman(
            Parts(self.parts.backend, self._interviewer(stage, scripted))
        ).execute(stage)
        if scripted is None or chosen.status is not StageStatus.SUCCESS:
            return chosen
        updates = {**chosen.context_updates, **scripted.context_updates}
        return replace(chosen, context_updates=updates, notes=scripted.notes or chosen.notes)

    def _interviewer(self, stage: Stage, scripted: Outcome | None) -> Interviewer:
        answers = self.script.answers.get(stage.node.id)
        if answers:
            return _Chosen(answers[min(stage.visit, len(answers)) - 1])
        if scripted and (scripted.preferred_label or scripted.suggested_next_ids):
            return _Chosen(scripted.preferred_label or scripted.suggested_next_ids[0])
        return _Chosen("", is_late=bool(stage.node.attributes.text("human.default_choice")))


@dataclass(frozen=True)
class _Chosen:
    """Answers with one choice (default: the first one), or with a time-out."""

    choice: str
    is_late: bool = False

    async def ask(self, question: Question) -> Answer:
        """Return the choice."""
        if self.is_late:
            return Answer(AnswerKind.TIMEOUT)
        first = question.options[0].key
        return Answer(AnswerKind.GIVEN, self.choice or first, by="the simulation")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Return a choice for each question."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Ignore the message."""

"""What a resume does with a stage that was at work when its process ended (the crash rule).

What a stage did outside the workspace cannot be undone, so its node says: repeat it, take it for
failed, or ask a person. Who is asked has three choices; nothing is done before one is chosen.

What must hold before a first stage: all that is missing is told at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import InvalidDuration, InvalidPart, UnknownName
from attractor.base.json import Json
from attractor.engine.errors import NotRunnable
from attractor.engine.interfaces import Handler, Parked, Stage
from attractor.engine.journal.events import StageReference
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.questions.answer_options import find_option, name_choices, refusal_of
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    answer_to_record,
    question_to_record,
)
from attractor.engine.routing.retry import require_policy
from attractor.engine.run_folder.layout import RESERVED_NAMES
from attractor.engine.secrets import Redactor
from attractor.engine.state.progress import InFlight
from attractor.engine.walk_context import WalkHandle
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.branches import find_misplaced
from attractor.language.graph.builder import folder_name
from attractor.language.graph.graph import DEFAULT_TYPE, TYPE_OF_SHAPE, Graph, Node

ASKED_AT_MOST = 3


class InterruptionChoice(StrEnum):
    """What a person may choose for a stage that was interrupted."""

    REPEAT = "repeat"
    DONE = "done"
    FAIL = "fail"


CHOICES: Sequence[Option] = (
    Option(InterruptionChoice.REPEAT.value, "Do it again, from its beginning"),
    Option(InterruptionChoice.DONE.value, "It is done: go on as after a success"),
    Option(InterruptionChoice.FAIL.value, "It failed: go on as after a failure"),
)


@dataclass(frozen=True)
class Settled:
    """Stands in for a handler whose work was cut off and that must not do it twice."""

    outcome: Outcome

    async def execute(self, stage: Stage) -> Outcome:
        """Return what was said of the stage, and do nothing."""
        return self.outcome


@dataclass(frozen=True)
class Interruption:
    """A stage that a walk finds in flight, and that nobody is at work on any more."""

    line: WalkHandle
    node: Node
    flight: InFlight

    async def settle(self, handler: Handler) -> Handler:
        """Return what makes the attempt now: its handler, or one that does nothing."""
        match self.node.attributes.text("if_interrupted"):
            case "fail":
                return Settled(_failed("if_interrupted=fail"))
            case "ask":
                return await self._asked(handler)
            case _:
                return handler

    async def _asked(self, handler: Handler) -> Handler:
        question = self._question
        self._tell("InterviewStarted", question=question_to_record(question))
        answer = await self._answer(question)
        record = answer_to_record(answer)
        self._tell("InterviewCompleted", question=question_to_record(question), answer=record)
        by = answer.by or "a person"
        match find_option(answer.value, question):
            case Option(key=InterruptionChoice.DONE):
                return Settled(success(f"interrupted, and done in the word of {by}"))
            case Option(key=InterruptionChoice.FAIL):
                return Settled(_failed(f"failed in the word of {by}"))
            case _:
                return handler

    async def _answer(self, question: Question) -> Answer:
        """Ask until one of the choices is said; where nobody says one, the question waits."""
        interviewer = self.line.journey.interviewer
        for _ in range(ASKED_AT_MOST):
            answer = await interviewer.ask(question)
            if answer.kind is not AnswerKind.GIVEN:
                break
            if find_option(answer.value, question):
                return answer
            words = f"{refusal_of(answer.value, question)}: {name_choices(question)}"
            await interviewer.inform(words, question.stage)
        raise Parked(question)

    def _tell(self, kind: str, **data: Json) -> None:
        flight = self.flight
        place = StageReference(flight.node, flight.visit, flight.attempt)
        self.line.run.emit(kind, data, place=self.line.place(place))

    @property
    def _question(self) -> Question:
        node = self.node
        name = node.id if node.label == node.id else f"{node.id} ({node.label})"
        return Question(
            id=self.flight.interruption,
            text=f"The stage {name} was at work when the run stopped: what it does may have "
            "happened, in whole or in part. What now?",
            kind=QuestionKind.MULTIPLE_CHOICE,
            options=CHOICES,
            stage=node.id,
        )


def _failed(why: str) -> Outcome:
    return failure(f"interrupted, and {why}", FailureClass.TERMINAL)


def preflight(
    graph: Graph,
    handlers: Mapping[str, Handler],
    redactor: Redactor,
    *,
    missing: Iterable[Diagnostic] = (),
) -> None:
    """Refuse a graph that cannot be run with these handlers, or not without telling a secret.

    `missing` is what its parts found lacking: it is told together with all the rest.
    """
    if faults := [*find_faults(graph, handlers), *_secrets(graph, redactor), *missing]:
        raise NotRunnable(graph.name or "the graph", faults)


def find_faults(graph: Graph, handlers: Mapping[str, Handler]) -> Iterator[Diagnostic]:
    """Yield each reason why a graph cannot be run."""
    if len(graph.starts) != 1:
        yield error(f"it has {len(graph.starts)} start nodes, not one", graph.span)
    exits = {node.id for node in graph.exits}
    for node in graph.nodes.values():
        yield from _faults_of(node, graph, None if node.id in exits else handlers)
    for edge in graph.edges:
        if lost := [one for one in (edge.source, edge.target) if one not in graph.nodes]:
            yield error(f"an edge names the node {lost[0]!r}, which is not there", edge.span)
    for one in find_misplaced(graph):
        what = f"loop_restart on {one.edge.source} -> {one.edge.target}: {one.why}"
        yield error(what, one.edge.span, fix=one.fix)


def resolve_handler(node: Node, handlers: Mapping[str, Handler]) -> Handler:
    """Return what executes a node: by its type, else by its shape (attractor-spec 4.2).

    A type of the language that nothing here executes is not replaced by another one.
    """
    if node.type in handlers:
        return handlers[node.type]
    by_shape = TYPE_OF_SHAPE.get(node.shape, DEFAULT_TYPE)
    if node.type in TYPE_OF_SHAPE.values() or by_shape not in handlers:
        raise UnknownName("node type", node.type, handlers)
    return handlers[by_shape]


def _secrets(graph: Graph, redactor: Redactor) -> Iterator[Diagnostic]:
    """The walk finds its way in the journal, where a secret would have been replaced."""
    words = [*graph.nodes, *(edge.label for edge in graph.edges)]
    if any(redactor.text(word) != word for word in words):
        yield error("a node id or an edge label holds the value of a secret of the environment")


def _faults_of(
    node: Node, graph: Graph, handlers: Mapping[str, Handler] | None
) -> Iterator[Diagnostic]:
    """Yield what is wrong with a node; an exit needs no handler."""
    if folder_name(node.id) in RESERVED_NAMES:
        yield error(f"the node id {node.id!r} is reserved", node.span, fix="choose another id")
    try:
        require_policy(node, graph)
        node.attributes.duration("timeout")
        if handlers is not None:
            resolve_handler(node, handlers)
    except (UnknownName, InvalidDuration, InvalidPart) as fault:
        yield error(f"node {node.id}: {fault}", node.span, fix=fault.hint)

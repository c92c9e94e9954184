"""A human gate: a person chooses the next edge."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.engine.context import shorten
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.questions.question import (
    LONGEST_WORDS,
    TARGETS,
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    answer_to_record,
    question_to_record,
)
from attractor.engine.seams import Parts, Stage
from attractor.handlers.choices import (
    GateChoice,
    find_choices,
    match_choice,
    match_target,
    preferred_label,
    record_choice,
)
from attractor.language.graph.graph import Node

ASKED_AT_MOST = 3


@dataclass(frozen=True)
class WaitHuman:
    """Asks which edge to follow (attractor-spec 4.6, ruling R5)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Ask, and wait for an answer that matches a choice."""
        choices = find_choices(stage.graph, stage.node.id, stage.context.snapshot())
        if not choices:
            reason = f"No outgoing edges for human gate {stage.node.id}"
            return failure(reason, FailureClass.PIPELINE)
        answer = await self._interview(stage, choices)
        return conclude(stage.node, choices, answer)

    async def _interview(self, stage: Stage, choices: Sequence[GateChoice]) -> Answer:
        """Ask within the time limit of the node, and record the interview."""
        question = write_question(stage, choices)
        asked = question_to_record(question)
        stage.emit("InterviewStarted", question=asked)
        started = stage.clock.monotonic()
        answer = await self._answer(question, choices)
        duration = round(stage.clock.monotonic() - started, 3)
        if answer.kind is AnswerKind.TIMEOUT:
            stage.emit("InterviewTimeout", question=asked, duration=duration)
        else:
            said = answer_to_record(answer)
            stage.emit("InterviewCompleted", question=asked, answer=said, duration=duration)
        return answer

    async def _answer(self, question: Question, choices: Sequence[GateChoice]) -> Answer:
        """Ask again while the answer matches no choice, up to MAX_TRIES times."""
        answer = await self.parts.interviewer.ask(question)
        for _ in range(ASKED_AT_MOST - 1):
            if answer.kind is not AnswerKind.GIVEN or match_choice(answer.value, choices):
                break
            await self.parts.interviewer.inform(_refusal(answer.value, choices), question.stage)
            answer = await self.parts.interviewer.ask(question)
        return answer


def write_question(stage: Stage, choices: Sequence[GateChoice]) -> Question:
    """Return the question of a gate; each visit and attempt has another question."""
    limit = stage.node.attributes.duration("timeout")
    default = match_target(stage.node.attributes.text("human.default_choice"), choices)
    return Question(
        id=stage.id,
        text=stage.node.label,
        kind=QuestionKind.MULTIPLE_CHOICE,
        options=tuple(Option(choice.key, choice.label) for choice in choices),
        stage=stage.node.id,
        default=default.key if default else "",
        timeout_seconds=limit.total_seconds() if limit is not None else None,
        metadata={TARGETS: {choice.key: choice.target for choice in choices}},
    )


def conclude(node: Node, choices: Sequence[GateChoice], answer: Answer) -> Outcome:
    """Return the outcome of a gate that was answered, skipped or timed out."""
    if answer.kind is AnswerKind.TIMEOUT:
        return _after_timeout(node, choices)
    if answer.kind is AnswerKind.SKIPPED:
        return failure("human skipped interaction", FailureClass.TERMINAL)
    choice = match_choice(answer.value, choices)
    if choice is None:
        return failure(_refusal(answer.value, choices), FailureClass.TERMINAL)
    return _chosen(choice, choices, f"chosen by {answer.by or 'a person'}")


def _after_timeout(node: Node, choices: Sequence[GateChoice]) -> Outcome:
    default = node.attributes.text("human.default_choice")
    if not default:
        return Outcome(StageStatus.RETRY, failure_reason="human gate timeout, no default")
    choice = match_target(default, choices)
    if choice is None:
        reason = f"human.default_choice of {node.id}: {_refusal(default, choices)}"
        return failure(reason, FailureClass.PIPELINE)
    return _chosen(choice, choices, "the default, after the time limit")


def _chosen(choice: GateChoice, choices: Sequence[GateChoice], how: str) -> Outcome:
    return Outcome(
        StageStatus.SUCCESS,
        preferred_label=preferred_label(choice, choices),
        suggested_next_ids=(choice.target,),
        context_updates=record_choice(choice),
        notes=f"{choice.label}: {how}",
    )


def _refusal(said: str, choices: Sequence[GateChoice]) -> str:
    known = ", ".join(f"{choice.key} ({choice.label})" for choice in choices)
    return f"{shorten(said, LONGEST_WORDS)!r} is none of the choices: {known}"


part = WaitHuman

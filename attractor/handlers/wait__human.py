"""Waits for the answer of a person, who chooses among the outgoing edges."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.questions.edge_labels import accelerator, normalize_label
from attractor.engine.questions.question import (
    LONGEST_WORDS,
    TARGETS,
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    answer_to_record,
    fold_words,
    pick_match,
    question_to_record,
)
from attractor.engine.routing.edge_selection import make_lookup
from attractor.engine.seams import Parts, Stage
from attractor.engine.truncation import shorten
from attractor.language.graph.graph import Edge, Graph, Node

_NO_VALUES: Mapping[str, Json] = {}


@dataclass(frozen=True)
class GateChoice:
    """One choice at a gate: the key, the label and the target node."""

    key: str
    label: str
    target: str


def find_choices(
    graph: Graph, node: str, values: Mapping[str, Json] = _NO_VALUES
) -> tuple[GateChoice, ...]:
    """Return the choices at a node, each with a unique key.

    A condition of an edge can use the choice itself or values of the context. An edge is left out
    if choosing it would make its condition false.
    """
    choices = dict.fromkeys(
        (_label(edge), edge.target) for edge in graph.outgoing(node) if _is_open(edge, values)
    )
    keys = [accelerator(label) for label, _ in choices]
    times = Counter(map(fold_words, keys))
    # Equal keys become numbers, so that no choice is selected by mistake.
    free = (str(number) for number in count(1) if str(number) not in times)
    keys = [key if times[fold_words(key)] == 1 else next(free) for key in keys]
    return tuple(GateChoice(key, *choice) for key, choice in zip(keys, choices, strict=True))


def record_choice(choice: GateChoice) -> dict[str, Json]:
    """Return the context updates for a choice."""
    return {
        "human.gate.selected": choice.key,
        "human.gate.label": choice.label,
        "human.gate.target": choice.target,
    }


def match_choice(answer: str, choices: Sequence[GateChoice]) -> GateChoice | None:
    """Return the only choice that an answer matches by key, label or target; otherwise None."""
    return pick_match(answer, choices, _READINGS)


def match_target(answer: str, choices: Sequence[GateChoice]) -> GateChoice | None:
    """Return the only choice with a target node, otherwise the choice that an answer matches."""
    meant = [choice for choice in choices if choice.target == answer]
    return meant[0] if len(meant) == 1 else match_choice(answer, choices)


def preferred_label(choice: GateChoice, choices: Sequence[GateChoice]) -> str:
    """Return the label of a choice, or an empty text if several choices have the same label."""
    same = [one for one in choices if normalize_label(one.label) == normalize_label(choice.label)]
    return choice.label if len(same) == 1 else ""


def _is_open(edge: Edge, values: Mapping[str, Json]) -> bool:
    label = _label(edge)
    chosen = {**values, **record_choice(GateChoice(accelerator(label), label, edge.target))}
    lookup = make_lookup(StageStatus.SUCCESS, label, chosen)
    return edge.condition.holds(lookup)


def _label(edge: Edge) -> str:
    return edge.label if edge.label.strip() else edge.target


_READINGS: Sequence[Callable[[GateChoice], str]] = (
    lambda choice: choice.key,
    lambda choice: choice.label,
    lambda choice: normalize_label(choice.label),
    lambda choice: choice.target,
)

ASKED_AT_MOST = 3


@dataclass(frozen=True)
class WaitHuman:
    """Asks a person which edge to follow (attractor-spec 4.6, ruling R5)."""

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
            record = answer_to_record(answer)
            stage.emit("InterviewCompleted", question=asked, answer=record, duration=duration)
        return answer

    async def _answer(self, question: Question, choices: Sequence[GateChoice]) -> Answer:
        """Ask; if the answer matches no choice, ask again, `ASKED_AT_MOST` times in total."""
        answer = await self.parts.interviewer.ask(question)
        for _ in range(ASKED_AT_MOST - 1):
            if answer.kind is not AnswerKind.GIVEN or match_choice(answer.value, choices):
                break
            await self.parts.interviewer.inform(_refusal(answer.value, choices), question.stage)
            answer = await self.parts.interviewer.ask(question)
        return answer


def write_question(stage: Stage, choices: Sequence[GateChoice]) -> Question:
    """Return the question of a gate; each visit and attempt has its own question."""
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
    return f"invalid choice {shorten(said, LONGEST_WORDS)!r}: {known}"


part = WaitHuman

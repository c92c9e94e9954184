"""Lists the stages in flight and the open questions of a run."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import FileError, Refused, UsageError
from attractor.base.json import Json
from attractor.engine.errors import NoOpenQuestion
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.questions.question import (
    ApprovalChoice,
    Question,
    QuestionKind,
    branch_of,
    choices_of,
    is_late,
    natural_key,
    question_to_record,
    read_answer,
    require_answer,
    sort_questions,
    split_approval,
)
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.stage.folder import TAIL, history_folder
from attractor.engine.state.attempts import InFlight, stage_id
from attractor.engine.storage.json_files import read_untrusted
from attractor.language.source.text import visible
from attractor.records.lookup import child_directory, newest_round


@dataclass(frozen=True)
class StageInFlight:
    """An attempt that began and has not ended, with the folder that it writes into.

    `calling_since` is the start of its model call that has not ended.
    """

    run_id: str
    node: str
    visit: int
    attempt: int
    branch: str
    folder: Path
    calling_since: datetime | None = None

    @property
    def name(self) -> str:
        """The name for people: the branch and the node."""
        return f"[{self.branch}] {self.node}" if self.branch else self.node


LONG_CALL_S = 30
"""The duration in seconds from which a model call in flight is shown."""


def describe_model_wait(since: datetime | None, now: datetime) -> str:
    """Return how long a stage has waited for a model; an empty text for a short wait."""
    seconds = int((now - since).total_seconds()) if since else 0
    if seconds < LONG_CALL_S:
        return ""
    return f"waiting for the model {describe_duration(timedelta(seconds=seconds))}"


def stages_in_flight(root: Path) -> Sequence[StageInFlight]:
    """Return the stages in flight of a run.

    A stage with a child run is replaced by the stages in flight of the child run.
    """
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    flights = [(key, walk.in_flight) for key, walk in state.walks.items() if walk.in_flight]
    return [stage for key, flight in flights for stage in _of_flight(directory, key, flight)]


def attempt_folder(directory: RunDirectory, node: str, visit: int, attempt: int) -> Path:
    """Return the folder of an attempt in flight: the folder of its node, or a folder in the
    history.
    """
    folder = directory.stage(node)
    aside = history_folder(folder, visit, attempt)
    return aside if aside.is_dir() else folder


def last_output(folder: Path) -> str:
    """Return the last output of a command, from the folder of its attempt."""
    try:
        return read_untrusted(folder / TAIL).decode("utf-8", "replace")
    except FileError:
        return ""


LAST_LINES = 3
"""The number of output lines that are shown of a running stage."""

LONGEST_LINE = 300


def shown_lines(text: str, most: int = LAST_LINES) -> tuple[str, ...]:
    """Return the last lines of a text, with escaped control characters."""
    shown = [line.rstrip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return tuple(visible(line.expandtabs(4)) for line in shown[-most:])


def _of_flight(directory: RunDirectory, key: str, flight: InFlight) -> Iterator[StageInFlight]:
    name = stage_id(flight.node, flight.visit, flight.attempt)
    child = newest_round(child_directory(directory, name))
    inner = stages_in_flight(child.root) if child.manifest.exists() else ()
    for stage in inner:
        yield replace(stage, branch="/".join(filter(None, [name, stage.branch])))
    if inner:
        return
    folder = directory.stage(flight.node)
    if flight.is_aside:
        folder = history_folder(folder, flight.visit, flight.attempt)
    run_id = read_manifest(directory).run_id
    place = (run_id, flight.node, flight.visit, flight.attempt, key, folder)
    yield StageInFlight(*place, calling_since=flight.calling_since)


MOST_NAMED = 3
"""The maximum number of questions that an error names."""


def named(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions with an id or of a node; a complete id is preferred."""
    exact = tuple(question for question in questions if question.id == name)
    found = exact or tuple(question for question in questions if name in ("", question.stage))
    if not found:
        hint = f"open questions: {_names(questions, ', ')}" if questions else where
        raise NoOpenQuestion(f"the run has no question with the id or node {name!r}", hint=hint)
    return found


def pick(questions: Sequence[Question], name: str, *, where: str, listing: str) -> Question:
    """Return the question with an id or of a node (default: the only question)."""
    found = pick_all(questions, name, where=where)
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"{len(found)} questions are open",
        hint=(
            f"choose one: --question {_names(found, ' or ')}; to list them: {listing}; "
            'a request names it by "question"'
        ),
    )


def pick_all(questions: Sequence[Question], name: str, *, where: str) -> tuple[Question, ...]:
    """Return the questions with an id or of a node (default: all questions)."""
    if not questions:
        raise NoOpenQuestion("the run has no open question", hint=where)
    return named(questions, name, where=where)


def read_choice(choice: str, question: Question, now: datetime, *, hint: str, why: str = "") -> str:
    """Return the answer in a person's input; raise an error for an invalid or late answer.

    The reason `why` of a refused tool call is a part of the answer, for the agent.
    """
    is_approval = question.kind is QuestionKind.APPROVAL
    if why and is_approval and split_approval(choice)[0] is ApprovalChoice.DENY:
        choice = f"{choice} {why}"
    if is_late(question, now):
        raise Refused(f"the deadline of {question.id} has passed: {question.deadline}", hint=hint)
    return require_answer(choice, question).value


def read_choices(
    choice: str,
    questions: Sequence[Question],
    now: datetime,
    *,
    hint: str,
    listing: str,
    why: str = "",
) -> list[str]:
    """Return one answer for each question from the same input, which every question must accept."""
    lacking = [
        question
        for question in questions
        if not choice.strip() or read_answer(choice, question) is None
    ]
    if lacking:
        names = _names(lacking, ", ")
        raise UsageError(
            (
                f"{choice!r} is an invalid answer to {len(lacking)} of {len(questions)} "
                f"questions: {names}"
            ),
            hint=f"no answer was recorded; to list the questions: {listing}",
        )
    return [read_choice(choice, question, now, hint=hint, why=why) for question in questions]


def _names(questions: Sequence[Question], between: str) -> str:
    """Return the names of the first questions, and the number of the others."""
    ids = sorted((question.id for question in questions), key=natural_key)
    more = f" ({len(ids) - MOST_NAMED} more)" if len(ids) > MOST_NAMED else ""
    return f"{between.join(ids[:MOST_NAMED])}{more}"


def answer_command(reference: str, said: str, *, question: str = "") -> str:
    """Return the command to answer all questions of a run, or a single question."""
    which = ["--question", question] if question else []
    # A word that begins with a dash is not an option here.
    words = ["--", said] if said.startswith("-") else [said] if said else []
    return visible(f"attractor answer {reference} {shlex.join([*which, *words])}").rstrip()


def question_records(questions: Sequence[Question], reference: str) -> list[dict[str, Json]]:
    """Return open questions as JSON objects; each command contains the id of the question."""
    return [
        {
            **question_to_record(question),
            "branch": branch_of(question),
            "choices": [
                {
                    "key": option.key,
                    "label": option.label,
                    "command": answer_command(reference, option.key, question=question.id),
                }
                for option in choices_of(question)
            ],
        }
        for question in sort_questions(questions)
    ]

"""What a person needs for an answer: the last words of the stages before a question."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.escapes import without_escapes
from attractor.engine.questions.question import Question
from attractor.engine.stage.command_output import OUTPUT, STDOUT
from attractor.engine.stage.folder import TAIL
from attractor.language.source.text import visible
from attractor.records.timeline import StageAttempt, read_stages

RESPONSE = "response.md"
MOST_STAGES = 2
MOST_LINES = 12
LONGEST = 4000
"""The bytes at the end of a file whose last lines are shown."""


@dataclass(frozen=True)
class StageWords:
    """The last lines that a stage before a question answered or printed."""

    attempt: str
    node: str
    outcome: str
    lines: tuple[str, ...]


def words_before(root: Path, question: Question) -> Sequence[StageWords]:
    """Return the last words of the stages before a question of a run, the newest first.

    In a branch, these are stages of the branch, as soon as one has ended.
    """
    ended = [one for one in read_stages(root) if one.outcome and one.node != question.stage]
    branch = question.within[-1].branch if question.within else ""
    return _newest([one for one in ended if one.branch == branch] or ended)


def _newest(attempts: Iterable[StageAttempt]) -> Sequence[StageWords]:
    found: list[StageWords] = []
    for attempt in sorted(attempts, key=lambda one: one.periods[-1].start, reverse=True):
        if lines := _last_lines(attempt):
            found.append(StageWords(attempt.id, attempt.node, attempt.outcome, lines))
        if len(found) == MOST_STAGES:
            break
    return found


def _last_lines(attempt: StageAttempt) -> tuple[str, ...]:
    names = {file.name for file in attempt.files() if file.bytes}
    for name in (RESPONSE, OUTPUT, STDOUT, TAIL):
        if name in names:
            end = attempt.read_file(name, most=LONGEST, from_end=True)
            lines = without_escapes(end.decode("utf-8", "replace")).splitlines()
            return tuple(visible(one.expandtabs(4)) for one in lines if one.strip())[-MOST_LINES:]
    return ()

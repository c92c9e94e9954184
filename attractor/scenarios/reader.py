"""Asks the model of the judge to read a change, in conversations of its own.

The reader gets the stories of train scenarios, and no word of a holdout. Its failure is a part of
the reading, never an error.
"""

import asyncio
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from attractor.base.errors import AttractorError, first_sentence
from attractor.engine.seams import Workspace
from attractor.engine.stage.patch import clean_patch, make_patch
from attractor.engine.state.attempts import TreeId
from attractor.engine.storage.secrets import Redactor
from attractor.engine.truncation import one_line
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.findings import (
    MOST_FINDINGS,
    ChangeFinding,
    ChangeFindingKind,
    ChangeReading,
    FileLines,
    Portions,
    name_some,
    portions_of,
    question_words,
    read_changes,
    speaking_lines,
    with_places,
)
from attractor.scenarios.judge import Judge, Spent, open_judge
from attractor.scenarios.suite import Suite

_PROMPT = Path(__file__).with_suffix(".md")
_MARKER_BYTES = 16
LARGEST_READ = 16 << 20
"""The most bytes of a change that are searched for findings."""
_MAX_S = 600.0
_LONGEST_REASON = 200


class _FoundPlace(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str
    line: int
    kind: ChangeFindingKind
    words: str


class _ReaderAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    findings: list[_FoundPlace]


async def read_change(
    workspace: Workspace,
    tree: TreeId,
    suite: Suite,
    scope: RunScope,
    *,
    carried: Collection[str],
    redact: Redactor,
) -> ChangeReading:
    """Return what the model of a suite's judge, and the table of texts, find up to a tree."""
    found, dropped, spent, not_read = list[ChangeFinding](), 0, Spent(), ""
    questions, left_out = list[Sequence[FileLines]](), list[str]()
    stories = [scenario.story for scenario in suite.of_split("train")]
    try:
        patch = await make_patch(workspace, workspace.base.candidate, tree, most=LARGEST_READ)
        left_out += patch.left_out
        content = clean_patch(patch.content, redact)
        found, portions = await asyncio.to_thread(_examine, content)
        questions += portions.questions
        left_out += portions.left_out
        async with asyncio.timeout(_MAX_S), open_judge(suite.settings.judge, scope) as judge:
            while questions:
                more, lost = await _ask(judge, questions[0], stories, carried, spent)
                found += more
                dropped += lost
                del questions[0]
    # What a change, or a model that is away, can cause: an evaluation must not fail by it.
    except (AttractorError, OSError, RecursionError, ValueError) as error:
        not_read = redact.text(_reason(error))
    left_out[:0] = [change.path for question in questions for change in question]
    places: dict[tuple[str, int, str], ChangeFinding] = {}
    for one in found:
        places.setdefault((one.file, one.line, one.kind), one)
    shown = [*places.values()][:MOST_FINDINGS]
    return ChangeReading(
        findings=tuple(shown),
        left_out=name_some([*dict.fromkeys(map(redact.text, left_out))]),
        dropped=dropped + len(places) - len(shown),
        not_read=not_read,
        **vars(spent),
    )


def _examine(patch: bytes) -> tuple[list[ChangeFinding], Portions]:
    changes = read_changes(patch)
    return [*speaking_lines(changes)], portions_of(changes)


async def _ask(
    judge: Judge,
    changes: Sequence[FileLines],
    stories: Sequence[str],
    carried: Collection[str],
    spent: Spent,
) -> tuple[list[ChangeFinding], int]:
    marker = secrets.token_hex(_MARKER_BYTES)
    system = _PROMPT.read_text("utf-8").format(marker=marker)
    words = question_words(changes, stories, carried, marker)
    answer = await judge.answer(system, words, _ReaderAnswer, 0, spent)
    return with_places((ChangeFinding(**vars(one)) for one in answer.findings), changes)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"the model gave no answer in {_MAX_S:g} s"
    if isinstance(error, AttractorError):
        return one_line(error.message, _LONGEST_REASON)
    return first_sentence(type(error)) or type(error).__name__

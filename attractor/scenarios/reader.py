"""Asks the model of the judge to read a change, in conversations of its own.

The reader gets the stories of train scenarios, and no word of a holdout. Its failure is a part of
the reading, never an error.
"""

import asyncio
import secrets
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, first_sentence
from attractor.engine.stage.patch import Patch
from attractor.engine.truncation import one_line
from attractor.pipeline.project.run_scope import RunScope
from attractor.scenarios.findings import (
    MOST_FINDINGS,
    FileChange,
    Finding,
    FindingKind,
    Portions,
    Reading,
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
_MAX_S = 600.0
_LONGEST_REASON = 200


class _Found(BaseModel):
    model_config = ConfigDict(extra="forbid")

    file: str
    line: int
    kind: FindingKind
    words: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    findings: list[_Found]


@dataclass(frozen=True)
class Examined:
    """A change that can be read: its files and their portions, and lines that speak to a reader."""

    changes: Sequence[FileChange]
    portions: Portions
    speaking: Sequence[Finding]


def _examine(patch: bytes) -> Examined:
    changes = read_changes(patch)
    return Examined(changes, portions_of(changes), [*speaking_lines(changes)])


async def read_change(
    patch: Patch, suite: Suite, scope: RunScope, *, carried: Collection[str] = ()
) -> Reading:
    """Return what the model of a suite's judge, and the table of texts, find in a change."""
    examined = await asyncio.to_thread(partial(_examine, patch.content))
    found, dropped, spent, not_read = [*examined.speaking], 0, Spent(), ""
    questions = [*examined.portions.questions]
    stories = [scenario.story for scenario in suite.of_split("train")]
    try:
        async with asyncio.timeout(_MAX_S), open_judge(suite.settings.judge, scope) as judge:
            while questions:
                more, lost = await _ask(judge, questions[0], stories, carried, spent)
                found += more
                dropped += lost
                del questions[0]
    # The change can cause any error, and an evaluation must not fail by it.
    except Exception as error:  # noqa: BLE001
        not_read = _reason(error)
    unasked = [change.path for question in questions for change in question]
    places: dict[tuple[str, int, str], Finding] = {}
    for one in found:
        places.setdefault((one.file, one.line, one.kind), one)
    shown = [*places.values()][:MOST_FINDINGS]
    return Reading(
        findings=tuple(shown),
        left_out=name_some([*unasked, *examined.portions.left_out, *patch.left_out]),
        dropped=dropped + len(places) - len(shown),
        not_read=not_read,
        **vars(spent),
    )


async def _ask(
    judge: Judge,
    changes: Sequence[FileChange],
    stories: Sequence[str],
    carried: Collection[str],
    spent: Spent,
) -> tuple[list[Finding], int]:
    marker = secrets.token_hex(_MARKER_BYTES)
    system = _PROMPT.read_text("utf-8").format(marker=marker)
    words = question_words(changes, stories, carried, marker)
    answer = await judge.answer(system, words, _Answer, 0, spent)
    return with_places((Finding(**vars(one)) for one in answer.findings), changes)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"the model gave no answer in {_MAX_S:g} s"
    if isinstance(error, AttractorError):
        return one_line(error.message, _LONGEST_REASON)
    return first_sentence(type(error)) or type(error).__name__

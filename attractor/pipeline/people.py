"""Chooses who asks people, and says beforehand what keeps them from that."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from io import StringIO

from attractor.base.errors import AttractorError
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer
from attractor.engine.run_folder.open_run import OpenRun
from attractor.interviewers.queue import NAME as QUEUE
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.language.diagnostics import Diagnostic, error
from attractor.pipeline.brought import HANDED_IN, Brought
from attractor.pipeline.options import RunOptions
from attractor.pipeline.world import World

RECORDING_FILE = "answers.jsonl"
"""Where answers are recorded in a run directory, unless another file is named."""


def choose_interviewer(options: RunOptions, world: World, run: OpenRun) -> Interviewer:
    """Build who asks people: the one that was handed in, or the one that the options name."""
    if world.brought.interviewer:
        return world.brought.interviewer
    parts = InterviewerParts(
        input=world.input,
        output=world.output,
        answers=_answers(options),
        taken=run.state.given.get(QUEUE, 0),
        file=run.directory.root / RECORDING_FILE,
        redactor=run.redactor,
        alone=partial(_alone, world),
    )
    return build_interviewer(options.interviewer, parts)


@asynccontextmanager
async def _alone(world: World) -> AsyncGenerator[None]:
    """Let a question stand behind what happened before it, and nobody write into it."""
    await world.news.heard()
    with world.quiet():
        yield


def find_interviewer_faults(options: RunOptions, brought: Brought) -> Iterator[Diagnostic]:
    """Yield what keeps the interviewer of a run from asking."""
    if brought.interviewer:
        return
    if options.interviewer == HANDED_IN:
        yield error(
            "the interviewer was handed in by the program that began the run",
            fix="name another one: --interviewer park",
        )
        return
    nobody = InterviewerParts(input=StringIO(), output=StringIO(), answers=_answers(options))
    try:
        build_interviewer(options.interviewer, nobody)
    except AttractorError as fault:
        yield error(f"--interviewer: {fault}", fix=fault.hint)


def _answers(options: RunOptions) -> list[Answer]:
    return [Answer(AnswerKind.GIVEN, value=value) for value in options.answers]

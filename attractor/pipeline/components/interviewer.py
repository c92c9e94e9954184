"""Builds the interviewer of a run."""

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
from attractor.pipeline.host.custom_parts import HANDED_IN, CustomParts
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest

RECORDING_FILE = "answers.jsonl"
"""Where answers are recorded in a run directory, unless another file is named."""


def choose_interviewer(request: RunRequest, host: RunHost, run: OpenRun) -> Interviewer:
    """Build who asks people: the one that was handed in, or the one that the options name."""
    if host.custom_parts.interviewer:
        return host.custom_parts.interviewer
    parts = InterviewerParts(
        input=host.input,
        output=host.output,
        answers=_answers(request),
        taken=run.state.answer_counts.get(QUEUE, 0),
        file=run.directory.root / RECORDING_FILE,
        redactor=run.redactor,
        alone=partial(_alone, host),
    )
    return build_interviewer(request.interviewer, parts)


@asynccontextmanager
async def _alone(host: RunHost) -> AsyncGenerator[None]:
    """Let a question stand behind what happened before it, and nobody write into it."""
    await host.news.heard()
    with host.quiet():
        yield


def find_interviewer_faults(request: RunRequest, custom_parts: CustomParts) -> Iterator[Diagnostic]:
    """Yield what keeps the interviewer of a run from asking."""
    if custom_parts.interviewer:
        return
    if request.interviewer == HANDED_IN:
        yield error(
            "the interviewer was handed in by the program that began the run",
            fix="name another one: --interviewer park",
        )
        return
    nobody = InterviewerParts(input=StringIO(), output=StringIO(), answers=_answers(request))
    try:
        build_interviewer(request.interviewer, nobody)
    except AttractorError as fault:
        yield error(f"--interviewer: {fault}", fix=fault.hint)


def _answers(request: RunRequest) -> list[Answer]:
    return [Answer(AnswerKind.GIVEN, value=value) for value in request.answers]

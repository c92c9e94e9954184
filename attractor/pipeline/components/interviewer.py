"""Builds the interviewer of a run."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from attractor.engine.questions.question import Answer, AnswerKind, Interviewer
from attractor.engine.run_folder.open_run import OpenRun
from attractor.interviewers.queue import NAME as QUEUE
from attractor.interviewers.registry import InterviewerParts, build_interviewer
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest

RECORDING_FILE = "answers.jsonl"
"""Where answers are recorded in a run directory, unless another file is named."""


def choose_interviewer(request: RunRequest, host: RunHost, run: OpenRun) -> Interviewer:
    """Build the interviewer: the custom one, or the one that the request names."""
    if host.custom_parts.interviewer:
        return host.custom_parts.interviewer
    parts = InterviewerParts(
        input=host.input,
        output=host.output,
        answers=preset_answers(request),
        taken=run.state.answer_counts.get(QUEUE, 0),
        file=run.directory.root / RECORDING_FILE,
        redactor=run.redactor,
        alone=partial(_alone, host),
    )
    return build_interviewer(request.interviewer, parts)


@asynccontextmanager
async def _alone(host: RunHost) -> AsyncGenerator[None]:
    """Print a question after the events before it, and nothing else during it."""
    await host.subscriptions.catch_up()
    with host.quiet():
        yield


def preset_answers(request: RunRequest) -> list[Answer]:
    """Return the answers that the caller gave in advance."""
    return [Answer(AnswerKind.GIVEN, value=value) for value in request.answers]

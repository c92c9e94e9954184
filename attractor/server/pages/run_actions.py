"""The forms of the page of a run: answer, pause, resume, send a message, cancel."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Form
from fastapi.responses import Response

from attractor.server.html.rendering import PageRouter, after, in_address
from attractor.server.http.scopes import OPERATE, Calling, ProjectService
from attractor.server.processes.bodies import ResumeBody
from attractor.server.run_actions import (
    ActionResult,
    answer_question,
    cancel_run,
    pause_run,
    resume_walk,
    steer_run,
)

part = PageRouter()

RUN = "/runs/{run}"
Words = Annotated[str, Form(max_length=20_000)]


def _done(run: str, action: Callable[[], ActionResult]) -> Response:
    """Execute the action of a form, and show the run again with the result."""

    def act() -> tuple[str, str]:
        words = action().words
        return f"/runs/{in_address(run)}", f"{words[:1].upper()}{words[1:]}."

    return after(act, f"/runs/{in_address(run)}")


@part.post(RUN + "/answer", dependencies=[OPERATE])
def answer(
    service: ProjectService,
    caller: Calling,
    run: str,
    *,
    choice: Words,
    question: Words = "",
    why: Words = "",
    words: Words = "",
) -> Response:
    """Answer a question, with words if it is about a tool call; a parked run is resumed."""
    said = choice + f" {words}" * bool(words)
    return _done(
        run,
        lambda: answer_question(service, run, caller, answer=said, question=question, why=why),
    )


@part.post(RUN + "/pause", dependencies=[OPERATE])
def pause(service: ProjectService, caller: Calling, run: str) -> Response:
    """Pause a run after its current stage."""
    return _done(run, lambda: pause_run(service, run, caller, ""))


@part.post(RUN + "/resume", dependencies=[OPERATE])
def resume(service: ProjectService, caller: Calling, run: str) -> Response:
    """Resume a paused or stopped run."""
    return _done(run, lambda: resume_walk(service, run, caller, ResumeBody()))


@part.post(RUN + "/steer", dependencies=[OPERATE])
def steer(service: ProjectService, caller: Calling, run: str, text: Words) -> Response:
    """Send a message to the working agents of a run."""
    return _done(run, lambda: steer_run(service, run, caller, text=text, node="", why=""))


@part.post(RUN + "/cancel", dependencies=[OPERATE])
def cancel(service: ProjectService, caller: Calling, run: str, why: Words = "") -> Response:
    """Cancel a run."""
    return _done(run, lambda: cancel_run(service, run, caller, why))

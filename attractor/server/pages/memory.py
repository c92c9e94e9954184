"""The page of the lessons of a project: each with its evidence, taken or dropped with a token."""

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import Response

from attractor.base.errors import AttractorError
from attractor.factory.lessons import lessons_shown, memory_of
from attractor.memory.records import LessonStatus
from attractor.server.html.rendering import PageRouter, render, see_other
from attractor.server.html.version_forms import NOT_REFUSED, EndText, Refusal
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, ProjectService
from attractor.server.resources.memory import LessonChange, settle_lesson
from attractor.server.service import Service

part = PageRouter(
    "Memory", "/memory", position=3, shown_if=lambda service: memory_of(service.opened).exists()
)

LOOKS = {LessonStatus.PROPOSED: "unreached", LessonStatus.TAKEN: "done"}


@part.get("/memory", dependencies=[READ, IN_TURN])
def show_memory(request: Request, service: ProjectService) -> Response:
    """Show the lessons of a project."""
    return _page(request, service, NOT_REFUSED)


@part.post("/memory/{change}", dependencies=[OPERATE, IN_TURN])
def decide_lesson(
    request: Request,
    service: ProjectService,
    change: LessonChange,
    lesson: Annotated[str, Form(max_length=200)] = "",
    token: EndText = "",
) -> Response:
    """Take or drop a lesson in the name of the token's holder."""
    try:
        done = settle_lesson(change, lesson, service, service.prove(token).name)
    except AttractorError as error:
        return _page(request, service, Refusal({"lesson": lesson}, error))
    return see_other(f"/memory{service.here}", f"{done.lesson.id} is {done.status}.")


def _page(request: Request, service: Service, refusal: Refusal) -> Response:
    values = {"lessons": lessons_shown(service.opened), "looks": LOOKS, "refusal": refusal}
    return render(request, "memory.html.j2", values, status=refusal.status)

"""Lessons of a project over HTTP: listed, taken and dropped."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from attractor.factory.lessons import drop_lesson, lessons_shown, take_lesson
from attractor.memory.records import LessonView
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import DECIDE, IN_TURN, READ, Calling, ProjectService
from attractor.server.service import Service

part = APIRouter(tags=["memory"], responses=problem_statuses(400, 404, 409))

LessonId = Annotated[
    str, Path(max_length=200, description="The id of the lesson, or its beginning.")
]
LessonChange = Literal["take", "drop"]


@part.get("/api/v1/memory", dependencies=[READ, IN_TURN])
def list_lessons(service: ProjectService) -> list[JsonRecord]:
    """List the proposed lessons of a project, and then the taken ones."""
    return [one.to_record() for one in lessons_shown(service.opened)]


@part.post("/api/v1/memory/{lesson}/{change}", dependencies=[DECIDE, IN_TURN])
def change_lesson(
    service: ProjectService, caller: Calling, lesson: LessonId, change: LessonChange
) -> JsonRecord:
    """Take a lesson, which prompts quote from then on, or drop it."""
    return settle_lesson(change, lesson, service, caller.name).to_record()


def settle_lesson(change: LessonChange, lesson: str, service: Service, by: str) -> LessonView:
    """Carry out what a person decided about a lesson."""
    service.opened.refuse_in_run("the decision about a lesson")
    act = take_lesson if change == "take" else drop_lesson
    return act(lesson, service.opened, by)

"""Lessons of a project over HTTP: listed, taken and dropped."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import Field

from attractor.factory.lessons import drop_lesson, lessons_shown, take_lesson
from attractor.memory.records import LessonCite, LessonView
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import DECIDE, IN_TURN, READ, Calling, ProjectService
from attractor.server.service import Service

part = APIRouter(tags=["memory"], responses=problem_statuses(400, 404, 409))

LessonId = Annotated[
    str, Path(max_length=200, description="The id of the lesson, or its beginning.")
]
LessonChange = Literal["take", "drop"]


class CiteAnswer(AnswerModel, of=LessonCite):
    """The event of a run that a lesson has as its evidence."""


class LessonAnswer(AnswerModel):
    """A lesson, and who gave it its status."""

    id: str
    what: str
    why: str
    cites: list[CiteAnswer]
    run_id: str = Field(description="The run whose agent proposed it.")
    task: str = Field(description="The node of that agent.")
    commit: str = Field(description="The commit since which it holds; empty outside of Git.")
    files: list[str]
    status: Literal["proposed", "taken", "dropped"]
    by: str = Field(description="The person; empty while it is proposed.")
    at: datetime


class ShownLessonAnswer(LessonAnswer):
    """A lesson with what a person compares before taking it."""

    gone: list[str] = Field(description="Its runs and files that are gone.")
    dropped_before: list[LessonAnswer] = Field(description="Dropped lessons that resemble it.")


@part.get("/api/v1/memory", dependencies=[READ, IN_TURN])
def list_lessons(service: ProjectService) -> list[ShownLessonAnswer]:
    """List the proposed lessons of a project, and then the taken ones."""
    shown = lessons_shown(service.opened)
    return [ShownLessonAnswer.model_validate(one.to_record()) for one in shown]


@part.post("/api/v1/memory/{lesson}/{change}", dependencies=[DECIDE, IN_TURN])
def change_lesson(
    service: ProjectService, caller: Calling, lesson: LessonId, change: LessonChange
) -> LessonAnswer:
    """Take a lesson, which prompts quote from then on, or drop it."""
    done = settle_lesson(change, lesson, service, caller.name)
    return LessonAnswer.model_validate(done.to_record())


def settle_lesson(change: LessonChange, lesson: str, service: Service, by: str) -> LessonView:
    """Carry out what a person decided about a lesson."""
    service.opened.refuse_in_run("the decision about a lesson")
    act = take_lesson if change == "take" else drop_lesson
    return act(lesson, service.opened, by)

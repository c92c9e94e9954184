"""Missions over HTTP: started, listed, shown, paused, resumed and stopped."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import Field, StrictBool, StrictFloat, StrictInt

from attractor.base.names import name_after
from attractor.missions.people import accept_plan, say, start_mission
from attractor.missions.plan import plan_text
from attractor.missions.records import (
    Mission,
    MissionFolder,
    Said,
    find_mission,
    missions_of_project,
)
from attractor.missions.report import report_of
from attractor.server.fleet.connection import no_fleet
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel, JsonRecord
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.processes.bodies import Body, Word
from attractor.server.service import Service

part = APIRouter(tags=["missions"], responses=problem_statuses(400, 404, 409))

MissionName = Annotated[
    str, Path(max_length=200, description="The name of the mission, or its beginning.")
]
Change = Literal["accept", "pause", "resume", "stop"]


class StartMissionBody(Body):
    """A mission to start; a person at a terminal alone can let one go hands-off."""

    intent: Word = Field(default="", description="What is wanted.")
    spec: Word = Field(default="", description="A committed file that describes it.")
    name: Word = Field(default="", description="Its name (default: after its intent).")
    suite: Word = ""
    profile: Word = ""
    hours: StrictFloat = Field(default=8.0, gt=0, allow_inf_nan=False)
    max_cost_usd: StrictFloat | None = Field(default=None, gt=0, allow_inf_nan=False)
    workers: StrictInt = Field(default=3, ge=1, le=50)
    backend: Word = "agent"
    model: Word = ""
    provider: Word = ""
    sandbox: Word = "auto"
    pool: Word = Field(default="", description="Let workers of this pool carry out the tasks.")


class ChangeMissionBody(Body):
    """The limits with which a mission goes on, or whether a pause cancels what runs."""

    max_cost_usd: StrictFloat | None = Field(default=None, gt=0, allow_inf_nan=False)
    hours: StrictFloat | None = Field(default=None, gt=0, allow_inf_nan=False)
    now: StrictBool = Field(default=False, description="Cancel the runs that work (pause).")


class MissionPlanAnswer(AnswerModel):
    """The plan of a mission as TOML, and what is wrong with it."""

    plan: str
    faults: list[str]


@part.get("/api/v1/missions", dependencies=[READ, IN_TURN])
def list_missions(service: ProjectService) -> list[JsonRecord]:
    """List the missions of a project."""
    opened = service.opened
    return [report_of(one, opened).to_record() for one in missions_of_project(opened)]


@part.post("/api/v1/missions", status_code=201, dependencies=[OPERATE, IN_TURN])
def start(service: ProjectService, caller: Calling, body: StartMissionBody) -> JsonRecord:
    """Start a mission, whose plan a person accepts."""
    opened = service.opened
    if body.pool and not service.fleet.takes_runs:
        raise no_fleet()
    mission = Mission(
        name=body.name or name_after(body.intent or body.spec, []),
        intent=body.intent,
        by=caller.name,
        created=opened.now(),
        base="",
        spec=body.spec,
        suite=body.suite or opened.project.suite,
        profile=body.profile,
        hours=body.hours,
        max_cost_usd=body.max_cost_usd,
        workers=body.workers,
        backend=body.backend,
        model=body.model,
        provider=body.provider,
        sandbox=body.sandbox,
        pool=body.pool,
    )
    folder = start_mission(mission, opened, is_named=bool(body.name))
    return report_of(folder, opened).to_record()


@part.get("/api/v1/missions/{mission}", dependencies=[READ, IN_TURN])
def show(service: ProjectService, mission: MissionName) -> JsonRecord:
    """Show a mission: its tasks, its verdict, and what it waits for with the command."""
    return report_of(find_mission(mission, service.opened), service.opened).to_record()


@part.get("/api/v1/missions/{mission}/plan", dependencies=[READ])
def show_plan(service: ProjectService, mission: MissionName) -> MissionPlanAnswer:
    """Show the plan of a mission; empty before there is one."""
    plan = find_mission(mission, service.opened).read().plan
    text = plan_text(plan.tasks, plan.requirements) if plan else ""
    return MissionPlanAnswer(plan=text, faults=[*plan.faults] if plan else [])


@part.post("/api/v1/missions/{mission}/{change}", dependencies=[OPERATE, IN_TURN])
def change_mission(
    service: ProjectService,
    caller: Calling,
    mission: MissionName,
    change: Change,
    body: ChangeMissionBody,
) -> JsonRecord:
    """Accept the plan of a mission, pause, resume or stop it."""
    folder = find_mission(mission, service.opened)
    order(change, folder, service, caller.name, body)
    return report_of(folder, service.opened).to_record()


_SAID = {"pause": Said.PAUSED, "resume": Said.RESUMED, "stop": Said.STOPPED}


def order(
    change: Change,
    folder: MissionFolder,
    service: Service,
    by: str,
    body: ChangeMissionBody | None = None,
) -> None:
    """Carry out the order of a person."""
    opened = service.opened
    opened.refuse_in_run("the order to a mission")
    if change == "accept":
        accept_plan(folder, opened, by)
        return
    limits = body.model_dump(exclude_none=True, exclude={"now"}) if body else {}
    changes = limits if change == "resume" else {}
    now = bool(body and body.now and change == "pause")
    say(_SAID[change], folder, opened, by, changes, now=now)

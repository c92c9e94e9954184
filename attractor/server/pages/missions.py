"""The pages of missions: the list, and one with its plan drawn, its tasks and its verdict."""

import asyncio
from typing import Literal

from fastapi import Request
from fastapi.responses import Response

from attractor.factory.project import project_folder
from attractor.language.drawing.draw import DrawingFailed, NoDrawingProgram, draw
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, overlay
from attractor.language.reading import parse
from attractor.missions.records import MISSIONS, find_mission, missions_of_project
from attractor.missions.report import MissionReport, plan_dot, report_of
from attractor.server.html.rendering import PageRouter, after, in_address, render
from attractor.server.http.scopes import IN_TURN, OPERATE, READ, Calling, ProjectService
from attractor.server.resources.missions import Change, ChangeMissionBody, order
from attractor.server.service import Service


def _has_missions(service: Service) -> bool:
    state = service.project.machine.state_dir
    return (project_folder(state, service.project_id or "none") / MISSIONS).is_dir()


part = PageRouter("Missions", "/missions", position=3, shown_if=_has_missions)

LOOKS = {
    "landed": "done",
    "in work": "executing",
    "given up": "failed",
    "left to a person": "interrupted",
    "returned": "interrupted",
    "ended": "done",
    "working": "executing",
}
_Button = Change | Literal["pause-now"]
_DONE: dict[_Button, str] = {
    "accept": "The plan is accepted.",
    "pause": "No more runs begin; those that work end.",
    "pause-now": "The runs that work are canceled; a resume does them anew.",
    "resume": "The mission goes on.",
    "stop": "The mission ends after the runs that work.",
}
_STATES = {
    "landed": StageState.DONE,
    "in work": StageState.RUNNING,
    "given up": StageState.FAILED,
    "left to a person": StageState.INTERRUPTED,
    "returned": StageState.INTERRUPTED,
}


@part.get("/missions", dependencies=[READ, IN_TURN])
def show_missions(request: Request, service: ProjectService) -> Response:
    """Show the missions of a project."""
    opened = service.opened
    found = [report_of(one, opened) for one in missions_of_project(opened)]
    return render(request, "missions.html.j2", {"missions": found, "looks": LOOKS})


@part.get("/missions/{name}", dependencies=[READ, IN_TURN])
def show_mission(request: Request, service: ProjectService, name: str) -> Response:
    """Show a mission."""
    folder = find_mission(name, service.opened)
    found = report_of(folder, service.opened)
    svg, fault = _drawn(found)
    values = {
        "found": found,
        "looks": LOOKS,
        "svg": svg,
        "fault": fault,
        "can_accept": found.command.endswith("--accept"),
    }
    return render(request, "mission.html.j2", values)


@part.post("/missions/{name}/{change}", dependencies=[OPERATE, IN_TURN])
def change_mission(
    service: ProjectService, caller: Calling, name: str, change: _Button
) -> Response:
    """Accept the plan of a mission, pause, resume or stop it."""
    folder = find_mission(name, service.opened)
    address = f"/missions/{in_address(folder.name)}{service.here}"

    def act() -> tuple[str, str]:
        if change == "pause-now":
            order("pause", folder, service, caller.name, ChangeMissionBody(now=True))
        else:
            order(change, folder, service, caller.name)
        return address, _DONE[change]

    return after(act, address)


def _drawn(found: MissionReport) -> tuple[str, str]:
    """Return the drawing of a plan, or why there is none."""
    if not found.tasks:
        return "", ""
    states = {
        f"task_{at}": NodeState(_STATES[task.status])
        for at, task in enumerate(found.tasks)
        if task.status in _STATES
    }
    try:
        picture = overlay(parse(plan_dot(found)), RunStates(states))
        return asyncio.run(draw(picture)), ""
    except (NoDrawingProgram, DrawingFailed) as error:
        return "", f"{error.message}: {error.hint}"

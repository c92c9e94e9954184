"""A person reads missions in the browser and over HTTP, and gives orders."""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attractor.missions.records import (
    Accepted,
    Act,
    Acted,
    Landed,
    Mission,
    MissionFolder,
    Planned,
    PlannedTask,
    create_mission,
)
from attractor.server.service import Service
from tests.browsers import chromium
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git
from tests.server.conftest import PAGE, RunningServer, serving
from tests.server.test_pages_in_a_browser import look_at

TASKS = [
    PlannedTask("beds", "At most two beds", ("beds",), ("hotel.py",), (), "grep beds hotel.py"),
    PlannedTask("moon", "Bring the moon", (), ("moon.txt",), ("beds",), "test -s moon.txt"),
]


def planned(flow: Flow, *, is_accepted: bool) -> MissionFolder:
    """Record a mission whose first task is landed, and whose second one was given up."""
    now, base = flow.opened.now(), git(flow.project, "rev-parse", "HEAD").strip()
    mission = Mission(name="hotel", intent="Build a hotel", by="ann", created=now, base=base)
    git(flow.project, "branch", mission.branch)
    folder = create_mission(mission, flow.opened)
    folder.record(Planned(now, "run", TASKS, requirements={"beds": "At most two beds."}))
    if is_accepted:
        folder.record(Accepted(now, "ann"))
        folder.record(Landed("beds", "run2", "t", base, base, now))
        folder.record(Acted("failed_thrice", Act.GIVE_UP, "moon", "it is far away", now))
    return folder


@contextmanager
def served(flow: Flow) -> Generator[RunningServer]:
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server:
        yield server


def test_mission_is_listed_and_shown_with_its_tasks(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    planned(flow, is_accepted=True)
    with served(flow) as server, server.client("read") as client:
        [listed] = client.get("/api/v1/missions").json()
        assert client.get("/api/v1/missions/hotel").json() == listed
        assert [one["status"] for one in listed["tasks"]] == ["landed", "given up"]
        plan = client.get("/api/v1/missions/hotel/plan").json()["plan"]
        assert 'needs = ["beds"]' in plan
        assert "hotel" in client.get("/missions", headers=PAGE).text
        page = client.get("/missions/hotel", headers=PAGE).text
        for words in ("Build a hotel", "it is far away", "Plan of the mission", "beds: beds"):
            assert words in page, words
        assert client.get("/api/v1/missions/nothing").status_code == 404
        assert client.post("/api/v1/missions/hotel/pause", json={}).status_code == 403


def test_orders_of_a_person_are_recorded_by_name(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    folder = planned(flow, is_accepted=False)
    with served(flow) as server, server.client("operate") as client:
        paused = client.post("/api/v1/missions/hotel/pause", json={})
        assert paused.status_code == 200, paused.text
        assert paused.json()["waits_for"].startswith("paused by ")
        client.post("/api/v1/missions/hotel/pause", json={"now": True})
        client.post("/api/v1/missions/hotel/stop", json={})
        lines = [
            json.loads(one) for one in (folder.root / "journal.jsonl").read_text().split("\n")[2:5]
        ]
        assert [one["data"]["said"] for one in lines] == ["paused", "paused", "stopped"]
        assert [one["data"].get("now") for one in lines] == [None, True, None]
        refused = client.post("/api/v1/missions", json={"intent": "x", "hands_off": True})
        assert refused.status_code == 422
        assert client.post("/api/v1/missions", json={"intent": " "}).status_code == 400


def test_page_fits_a_phone_and_a_desk_in_light_and_dark(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    folder = planned(flow, is_accepted=True)
    with served(flow) as server, chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.get_by_role("link", name="Missions").click()
        assert look_at(page, "missions", page.url) == []
        page.get_by_role("link", name="hotel").click()
        page.get_by_text("it is far away").wait_for()
        assert look_at(page, "mission", page.url) == []
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_text("No more runs begin").wait_for()
        page.get_by_role("button", name="Pause now").click()
        page.get_by_text("The runs that work are canceled").wait_for()
    said = folder.read().last_word
    assert said
    assert said.now

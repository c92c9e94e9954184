"""Runs without an actor that do not go on by themselves are rows, which are settled in place."""

import json
from pathlib import Path

from attractor.base.locks import FileLock
from attractor.server.service import Service
from tests.attention.test_reading import GATE
from tests.patience import wait_until
from tests.server.conftest import serving
from tests.worlds.desks import SLOW, PlacedDesk, desk

__all__ = ["desk"]

RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")


def run_and_kill(desk: PlacedDesk) -> Path:
    """Begin a run, kill its process during its stage, and return the run."""
    desk.begin(*RUN)
    wait_until(lambda: [*desk.folder.glob("workspaces/*/again")])
    run = max(desk.place.glob("runs/0*"))
    desk.end()
    wait_until(lambda: not FileLock.is_held(run / "lock"))
    return run


def test_run_whose_process_died_goes_on_or_is_canceled(desk: PlacedDesk) -> None:
    desk.write(SLOW)
    run = run_and_kill(desk)
    [row] = desk.rows()
    listed = json.loads(desk.do("runs", "--json", "--status", "needs you").stdout)
    assert [one["run_id"] for one in listed] == [row["run_id"]] == [run.name]
    assert (row["need"], row["reason"]) == ("dead process", "its process died")
    assert [one["key"] for one in row["choices"]] == ["go on", "cancel"]
    assert "ended with exit status 0" in desk.type("go on\n", "attention", "next")
    assert desk.rows() == []
    [again] = desk.folder.glob("workspaces/*/again")
    again.unlink()
    other = run_and_kill(desk)
    assert "canceled" in desk.type("cancel\n", "attention", "next")
    assert json.loads(desk.do("status", other.name, "--json").stdout)["status"] == "canceled"


def test_snoozed_run_that_dies_again_at_the_same_stage_is_a_row_again(desk: PlacedDesk) -> None:
    desk.write(SLOW)
    run = run_and_kill(desk)
    [again] = desk.folder.glob("workspaces/*/again")
    again.unlink()
    assert desk.do("snooze", desk.rows()[0]["name"]).returncode == 0
    assert desk.rows() == []
    desk.begin("resume", run.name)
    wait_until(again.exists)
    desk.end()
    wait_until(lambda: not FileLock.is_held(run / "lock"))
    assert [row["need"] for row in desk.rows()] == ["dead process"]


def test_answered_run_goes_on_from_the_api(desk: PlacedDesk) -> None:
    desk.write(GATE)
    assert desk.do(*RUN, "--interviewer", "park").returncode == 3
    [row] = desk.rows()
    assert desk.do("answer", row["run_id"], "Y").returncode == 0
    with serving(Service.of(desk.place, desk.environ)) as server, server.client() as client:
        [row] = client.get("/api/v1/attention").json()
        assert (row["need"], row["actor"]) == ("answered", "")
        place = f"/api/v1/attention/{row['id']}/settle"
        assert client.post(place, json={"choice": "go on"}).status_code == 200
        wait_until(lambda: client.get("/api/v1/attention").json() == [])
        run = client.get(f"/api/v1/runs/{row['run_id']}").json()
        wait_until(lambda: client.get(f"/api/v1/runs/{row['run_id']}").json()["outcome"])
        assert client.post(place, json={"choice": "go on"}).status_code == 404, run


def test_unreadable_run_is_a_row_without_a_choice(desk: PlacedDesk) -> None:
    desk.write(GATE)
    desk.do(*RUN, "--interviewer", "park")
    [events] = desk.place.glob("runs/*/events.jsonl")
    events.write_text("no event\n")
    [row] = desk.rows()
    assert (row["need"], row["choices"]) == ("unreadable", [])
    assert row["command"] == f"attractor status {row['run_id']}"

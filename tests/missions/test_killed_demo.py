"""The mission of the demo, killed at many moments: the same end, and a report that is true.

The count over the records imports nothing of `missions`.
"""

import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attractor.factory.open_project import open_project
from attractor.factory.resources.profiles import make_profile
from tests.counts import count
from tests.examples import ROOT
from tests.factory.resources.stores import register
from tests.missions.desks import MissionDesk
from tests.patience import wait_until
from tests.pipeline.projects import git

pytestmark = pytest.mark.crash
KILLS, ALL = count(ci=2, full=40), 40
LINES = 36
"""How many lines the journal has at the end of a night without kills, at least."""
NAME = "greeting"
LANDED = ["goodbye", "hello", "note"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[MissionDesk]:
    desk = MissionDesk(tmp_path, name=NAME)
    yield desk
    desk.end()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the files of the project of the demo."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), *sys.path])
    return importlib.import_module("mission_demo").FILES


def begin(desk: MissionDesk, files: dict[str, str]) -> None:
    desk.make("digraph g { a [shape=Mdiamond]; b [shape=Msquare]; a -> b }", **files)
    opened = open_project(desk.project, desk.environ)
    register(opened.suites, desk.project / "scenarios" / "greeting", now=opened.now())
    profile = make_profile("demo", ("isolation_unverified",))
    opened.profiles.create(profile, by="ann", now=opened.now())
    words = ("Greet, part, and bring the moon", "--name", NAME, "--with", "command", "--hands-off")
    judged = ("--suite", "greeting", "--profile", "demo", "--sandbox", "none")
    done = desk.do("mission", "start", *words, *judged)
    assert done.returncode == 0, done.stderr


def count_records(desk: MissionDesk) -> dict[str, Any]:
    """Count what journal, ledger and manifests say, by their words alone."""
    journal = desk.journal()
    of = {
        kind: [one["data"] for one in journal if one["kind"] == kind]
        for kind in ("begun", "ended", "planned", "landed", "returned", "acted")
    }
    manifests = [json.loads((one / "manifest.json").read_text()) for one in desk.runs()]
    works = [(one["run_id"], one["options"]["mission"]) for one in manifests]
    ledger = [json.loads(one) for one in (desk.state / "ledger.jsonl").read_text().splitlines()]
    landed = [one["data"]["task"] for one in ledger if one["kind"] == "mission_landed"]
    judges = {run_id for run_id, work in works if work["role"] == "judge"}
    verdicts = {one["run_id"]: one.get("verdict", "") for one in of["ended"]}
    tasks = {task["id"] for plan in of["planned"] for task in plan["tasks"]}
    statuses = {id_: "landed" if id_ in landed else "given up" for id_ in tasks}
    return {
        "begun": Counter(one["run_id"] for one in of["begun"]),
        "ended": Counter(one["run_id"] for one in of["ended"]),
        "created": Counter(one["run_id"] for one in ledger if one["kind"] == "created"),
        "runs": Counter(run_id for run_id, _ in works),
        "landed": sorted(landed),
        "after": [one["data"]["after"] for one in ledger if one["kind"] == "mission_landed"],
        "judged": {one["run_id"] for one in ledger if one["kind"] == "evaluated"},
        "judges": judges,
        "verdicts": {f"{run_id}: {verdicts[run_id] or 'not judged'}" for run_id in judges},
        "workers": Counter(work["task"] for _, work in works if work["role"] == "worker"),
        "returned": Counter(one["task"] for one in of["returned"]),
        "statuses": statuses,
        "roles": Counter(work["role"] for _, work in works),
    }


def require_true_report(desk: MissionDesk, found: Any) -> None:
    """Require the figures of a report as they are counted from records, and nothing done twice."""
    told = count_records(desk)
    once = dict.fromkeys(told["runs"], 1)
    assert told["begun"] == told["ended"] == told["created"] == told["runs"] == once
    assert found["runs"] == len(once)
    assert {one["id"]: one["status"] for one in found["tasks"]} == told["statuses"]
    for one in found["tasks"]:
        assert one["runs"] == told["workers"][one["id"]]
        assert len(one["returned"]) == told["returned"][one["id"]]
    assert {*found["evaluations"]} == told["verdicts"]
    assert told["judged"] == told["judges"]
    assert found["judged_run"] in told["judged"]
    assert sum(found["cost_by_role"].values()) == found["cost_usd"] == 0
    assert {one["commit"] for one in found["tasks"] if one["commit"]} == {*told["after"]}
    # Each landing is one commit, and the branch has no other one.
    commits = git(desk.project, "rev-list", "--reverse", f"main..attractor/mission/{NAME}")
    assert commits.split() == told["after"]


def require_same_end(desk: MissionDesk, found: Any) -> None:
    """Require the end of a night that nobody kills."""
    assert (found["status"], found["waits_for"]) == ("ended", "given up: moon")
    assert found["verdict"] == "go"
    told = count_records(desk)
    assert told["landed"] == LANDED
    assert told["workers"] == {"hello": 1, "goodbye": 1, "note": 1, "moon": 3}
    assert told["returned"] == {"moon": 3}
    branch = f"attractor/mission/{NAME}"
    assert git(desk.project, "show", f"{branch}:greeting.txt") == "hello\ngoodbye\n"
    assert "moon" in git(desk.project, "show", f"{branch}:NOTE.md")
    waiting = [one["run_id"] for one in json.loads(desk.do("attention", "--json").stdout)]
    assert waiting == [found["judged_run"]]


@pytest.mark.parametrize("moment", range(0, ALL, ALL // KILLS))
def test_killed_demo_has_the_same_end_and_a_true_report(
    desk: MissionDesk, files: dict[str, str], moment: int
) -> None:
    begin(desk, files)
    lines = 2 + moment * (LINES - 2) // ALL
    wait_until(lambda: len(desk.journal()) >= lines or not desk.is_working())
    desk.kill()
    done = desk.do("mission", "resume", NAME)
    assert done.returncode == 0 or "has ended" in done.stderr
    found = desk.wait()
    require_same_end(desk, found)
    require_true_report(desk, found)

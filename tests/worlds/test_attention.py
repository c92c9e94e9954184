"""`attractor attention`: what needs a person, over all projects; answers are taken everywhere."""

import json
import re
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.factory.open_project import OpenProject
from attractor.growth.api.plans import plan_proposal
from attractor.growth.deployment.start import start_release
from attractor.growth.deployment.targets import local
from attractor.growth.plans.plan import read_proposal
from attractor.server.service import Service
from attractor.worlds.attention import read_attention
from tests.cli.git_desk import await_
from tests.growth.app import PROPOSAL
from tests.growth.deployment.living import make_released
from tests.growth.deployment.test_start import kill_all
from tests.server.conftest import PAGE, serving
from tests.worlds.desks import SLOW, SPAWN, PlacedDesk, desk, kill_process

__all__ = ["desk"]

GATE = """digraph ask {
  start [shape=Mdiamond]; done [shape=Msquare]
  gate [shape=hexagon, label="Ship it?"]
  make [prompt="$goal"]
  start -> make -> gate
  gate -> done [label="[Y] Yes"]
  gate -> make [label="[N] No"]
}
"""

NAPS = """digraph naps {
  start [shape=Mdiamond]; done [shape=Msquare]
  node [shape=parallelogram, tool_command="sleep 0.3"]
  start -> one -> two -> done
}
"""


def test_question_of_an_actor_is_answered_in_attention_next(desk: PlacedDesk) -> None:
    desk.write(GATE)
    assert desk.do(*SPAWN, "--name", "ask", "say hello").returncode == 0
    waited = desk.do("actor", "wait", "ask", "--timeout", "30s")
    assert (waited.returncode, waited.stdout) == (3, "ask: asking: Ship it?\n")
    [row] = desk.rows()
    assert (row["need"], row["actor"], row["reason"]) == ("question", "ask", "Ship it?")
    assert "[Y] Yes" in desk.type("maybe\n", "attention", "next")
    assert len(desk.rows()) == 1
    assert "answered" in desk.type("Y\n", "attention", "next")
    assert [one["need"] for one in desk.rows()] == []
    desk.do("actor", "wait", "ask", "--until", "idle", "--timeout", "30s")
    [row] = desk.rows()
    assert (row["need"], "make" in row["reason"]) == ("answered", True)
    assert "succeeded; no files changed" in desk.type("seen\n", "attention", "next")
    assert desk.do("attention").stdout == "Nothing needs you.\n"


def test_damaged_actor_hides_no_other_one(desk: PlacedDesk) -> None:
    desk.write(GATE)
    desk.do(*SPAWN, "--name", "ask", "say hello")
    desk.do("actor", "wait", "ask", "--timeout", "30s")
    [folder] = (desk.folder / "state").glob("projects/*/actors")
    (folder / "bad").mkdir()
    (folder / "bad" / "journal.jsonl").write_text("no line of a journal\n")
    for words, shown in (
        (("actor", "list"), "ask"),
        (("attention",), "ask"),
        (("up", "--once"), ""),
    ):
        done = desk.do(*words)
        assert done.returncode == 3
        assert shown in done.stdout
        assert "All is up" not in done.stdout
        assert "The actor project/bad cannot be read: invalid line in " in done.stderr
    (folder / "bad" / "journal.jsonl").unlink()
    (folder / "bad").rmdir()


def test_actor_whose_run_was_canceled_by_hand_takes_its_next_message(desk: PlacedDesk) -> None:
    desk.write(SLOW)
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    await_(lambda: (desk.folder / "again").exists())
    kill_process(desk, "slow")
    desk.do("message", "send", "slow", "another")
    [actor] = desk.actors()
    assert (actor["status"], actor["waiting"]) == ("interrupted", 1)
    assert desk.do("cancel", actor["run"]).returncode == 0
    desk.do("actor", "wait", "slow", "--timeout", "30s")
    listed = json.loads(desk.do("message", "list", "slow", "--json").stdout)
    assert [one["succeeded"] for one in listed] == [False, True]


def test_snoozed_row_is_left_out_until_something_else_is_needed(desk: PlacedDesk) -> None:
    desk.write(GATE)
    desk.do(*SPAWN, "--name", "ask", "say hello")
    desk.do("actor", "wait", "ask", "--timeout", "30s")
    assert desk.do("snooze", "ask", "2h").stdout.startswith("ask: snoozed until ")
    assert desk.do("attention").stdout == "Nothing needs you.\n1 snoozed.\n"
    [run] = json.loads(desk.do("actor", "list", "--json").stdout)
    desk.do("answer", run["run"], "Y")
    desk.do("actor", "wait", "ask", "--until", "idle", "--timeout", "30s")
    assert [row["need"] for row in desk.rows()] == ["answered"]


@pytest.mark.parametrize("choice", ["go on", "start over", "leave"])
def test_killed_actor_asks_whether_to_go_on(desk: PlacedDesk, choice: str) -> None:
    desk.write(SLOW)
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    await_(lambda: (desk.folder / "again").exists())
    kill_process(desk, "slow")
    [row] = desk.rows()
    assert (row["need"], row["reason"]) == (
        "interrupted",
        "its process died while it worked on: sleep well",
    )
    desk.do("message", "send", "slow", "another")
    assert desk.do("actor", "list", "--json").stdout.count('"interrupted"') == 1
    desk.type(f"{choice}\n", "attention", "next")
    waited = desk.do("actor", "wait", "slow", "--timeout", "30s")
    listed = json.loads(desk.do("message", "list", "slow", "--json").stdout)
    ended = [(one["message"]["text"], one["succeeded"], one["reason"]) for one in listed]
    done = {
        "go on": [("sleep well", True, ""), ("another", True, "")],
        "start over": [
            ("sleep well", False, "started over"),
            ("another", True, ""),
            ("sleep well", True, ""),
        ],
        "leave": [("sleep well", False, "given up"), ("another", True, "")],
    }[choice]
    assert ended[: len(done)] == done, waited.stdout


def test_run_that_a_limit_stopped_names_the_command_that_raises_it(desk: PlacedDesk) -> None:
    desk.write(NAPS)
    assert desk.do("run", "pipeline.dot", "--max-duration", "100ms").returncode == 3
    [row] = desk.rows()
    assert row["need"] == "limit"
    assert "the budget max_duration is exhausted" in row["reason"]
    *words, _ = row["command"].split()[1:]
    assert desk.do(*words, "60s").returncode == 0
    assert desk.rows() == []


def test_plans_and_apps_that_went_down_are_rows(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    project = app.plane.project
    state = project.machine.state_dir
    OpenProject(project).identity.create_id()

    def rows() -> list[tuple[str, str]]:
        found = read_attention(state, SystemClock().now()).rows
        return [(row.need.value, row.reason) for row in found]

    try:
        start_release(project, app.releases, local.part)
        planned = read_proposal(PROPOSAL)
        plan_id = str(plan_proposal(app.plane, "HEAD", planned)["plan_id"])
        assert rows() == [("plan", "the plan is open")]
        environ = {**project.machine.environ, "ATTRACTOR_STATE_DIR": str(state)}
        with (
            serving(Service.of(project.root, environ)) as server,
            server.client() as client,
        ):
            page = client.get("/attention", headers=PAGE).text
            [place] = re.findall(r'href="(/growth/plans/[^"]*)"', page)
            assert plan_id in client.get(place, headers=PAGE).text
        kill_all(app)
        assert sorted(rows()) == [("app", "the app went down"), ("plan", "the plan is open")]
        app.plane.plans.drop(plan_id, "not needed")
        assert rows() == [("app", "the app went down")]
    finally:
        app.stop()

"""`attractor attention`: what needs a person, over all projects; answers are taken everywhere."""

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.attention.causes import with_rows
from attractor.attention.reading import read_attention
from attractor.attention.rows import RowGone, find_row, settle
from attractor.attention.snoozing import snooze
from attractor.base.clock import SystemClock
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.pulls.readings import PullReadings
from attractor.growth.api.plans import plan_proposal
from attractor.growth.deployment.start import start_release
from attractor.growth.deployment.targets import local
from attractor.growth.plans.plan import read_proposal
from attractor.server.service import Service
from attractor.worlds.orders import here
from attractor.worlds.process import ActorProcess
from tests.cli.running import run_here
from tests.factory.pulls.test_readings import SAID
from tests.growth.app import PROPOSAL
from tests.growth.deployment.living import make_released
from tests.growth.deployment.test_start import kill_all
from tests.patience import wait_until
from tests.server.conftest import PAGE, serving
from tests.worlds.desks import SLOW, SPAWN, PlacedDesk, desk, kill_process
from tests.worlds.flows import actor_in, open_at, send_to, settler

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
    assert json.loads(desk.do("attention", "next", "--json").stdout) == row
    assert "[Y] Yes" in desk.type("maybe\n", "attention", "next")
    assert len(desk.rows()) == 1
    assert "answered" in desk.type("Y\n", "attention", "next")
    assert [one["need"] for one in desk.rows()] == []
    assert json.loads(desk.do("attention", "next", "--json").stdout) is None
    desk.do("actor", "wait", "ask", "--until", "idle", "--timeout", "30s")
    [row] = desk.rows()
    assert (row["need"], "make" in row["reason"]) == ("answered", True)
    assert "succeeded; no files changed" in desk.type("seen\n", "attention", "next")
    assert desk.do("attention").stdout == "Nothing needs you.\n"


FAILS = """digraph fails {{
  start [shape=Mdiamond]; done [shape=Msquare]
  test [shape=parallelogram, tool_command="echo $RANDOM tests failed; exit {status}"]
  start -> test -> done
}}
"""


def test_failed_tasks_of_one_cause_are_one_row(tmp_path: Path) -> None:
    opened, now = open_at(tmp_path), SystemClock().now()
    for name, status in (("a", 7), ("b", 7), ("c", 7), ("d", 8)):
        file = opened.project.root / f"{status}.dot"
        file.write_text(FAILS.format(status=status))
        folder = actor_in(opened, name, pipeline=str(file))
        send_to(folder, opened, "test it")
        ActorProcess(folder, opened).work(linger_s=0.05)
    state = opened.project.machine.state_dir

    def rows() -> list[tuple[str, list[str]]]:
        found = read_attention(state, now, {}).rows
        assert len({row.id for row in found}) == len(found)
        return [(row.name, [one.name for one in row.rows]) for row in found]

    assert rows() == [("3 tasks", ["a", "b", "c"]), ("d", [])]
    [group, _] = read_attention(state, now, {}).rows
    assert "tool_command ended with exit code 7" in group.reason
    assert "(fails test)" in group.reason
    snooze(state, group.rows[0], now + timedelta(hours=1), now)
    assert rows() == [("2 tasks", ["b", "c"]), ("d", [])]
    # An answer to one of them leaves the other one; a task that failed since is not marked.
    settle(with_rows(group, group.rows[1:2]), "seen", {}, settler(opened))
    assert rows() == [("c", []), ("d", [])]
    send_to(group.rows[2].actor.folder, opened, "again")  # pyright: ignore
    ActorProcess(group.rows[2].actor.folder, opened).work(linger_s=0.05)  # pyright: ignore
    settle(group, "seen", {}, settler(opened))
    assert rows() == [("d", []), ("c", [])]


def test_group_of_failed_tasks_is_answered_one_by_one_or_at_once(desk: PlacedDesk) -> None:
    desk.write(FAILS.format(status=7))
    opened = open_project(desk.place, desk.environ)
    for name in ("a", "b", "c"):
        folder = actor_in(opened, name, pipeline=str(desk.place / "pipeline.dot"))
        send_to(folder, opened, "test it")
        ActorProcess(folder, opened).work(linger_s=0.05)
    [row] = desk.rows()
    assert [one["actor"] for one in row["rows"]] == ["a", "b", "c"]
    assert "attractor actor seen b" in desk.do("attention").stdout
    assert "1. a: tool_command ended" in desk.type("1\nseen\n", "attention", "next")
    [row] = desk.rows()
    assert [one["actor"] for one in row["rows"]] == ["b", "c"]
    # The last one of a cause is no group any more, and is settled as the rest of the shown one.
    said = desk.type("2\nseen\nseen\n", "attention", "next")
    assert "2. c: tool_command ended" in said
    assert "\n1 task (" in said
    assert desk.rows() == []


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
    # Each trouble is said once, however often the rows are read.
    asked = run_here(
        ("attention", "next"), folder=desk.place, variables=desk.environ, typed="Y\nseen\n"
    )
    assert asked.stderr.count("project/bad cannot be read") == 1
    (folder / "bad" / "journal.jsonl").unlink()
    (folder / "bad").rmdir()


def test_actor_whose_run_was_canceled_by_hand_takes_its_next_message(desk: PlacedDesk) -> None:
    desk.write(SLOW)
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    wait_until(lambda: (desk.folder / "again").exists())
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
    assert desk.do("snooze", "", "2h").returncode == 2
    assert desk.do("snooze", "--list").stdout == "Nothing is snoozed.\n"
    assert desk.do("snooze", "ask", "2h").stdout.startswith("ask: snoozed until ")
    assert desk.do("attention").stdout == "Nothing needs you.\n1 snoozed.\n"
    assert desk.do("snooze", "--list").stdout.startswith("ask: snoozed until ")
    assert desk.do("snooze", "--wake", "as").stdout == "ask: shown again\n"
    assert [row["name"] for row in desk.rows()] == ["ask"]
    desk.do("snooze", "ask", "2h")
    [run] = json.loads(desk.do("actor", "list", "--json").stdout)
    desk.do("answer", run["run"], "Y")
    desk.do("actor", "wait", "ask", "--until", "idle", "--timeout", "30s")
    assert [row["need"] for row in desk.rows()] == ["answered"]


@pytest.mark.parametrize("choice", ["go on", "start over", "leave"])
def test_killed_actor_asks_whether_to_go_on(desk: PlacedDesk, choice: str) -> None:
    desk.write(SLOW)
    desk.do(*SPAWN, "--name", "slow", "sleep well")
    wait_until(lambda: (desk.folder / "again").exists())
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
        found = read_attention(state, SystemClock().now(), {}).rows
        return [(row.need, row.reason) for row in found]

    try:
        asyncio.run(start_release(project, app.releases, local.part))
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


def test_seen_marks_the_answer_that_was_shown_and_no_newer_one(tmp_path: Path) -> None:
    opened, now = open_at(tmp_path), SystemClock().now()
    folder = actor_in(opened)
    state = opened.project.machine.state_dir
    send_to(folder, opened, "one")
    ActorProcess(folder, opened).work(linger_s=0.05)
    [shown] = read_attention(state, now, {}).rows
    send_to(folder, opened, "two")
    ActorProcess(folder, opened).work(linger_s=0.05)
    with pytest.raises(RowGone):
        settle(shown, "seen", {}, settler(opened))
    [row] = read_attention(state, now, {}).rows
    assert row.id != shown.id
    with pytest.raises(RowGone):
        find_row(shown.id, [row])


def test_pull_request_is_passed_with_enter(desk: PlacedDesk) -> None:
    opened = open_project(desk.place, desk.environ)
    here(opened)
    PullReadings.of(opened).keep(SAID)
    shown = desk.type("\n", "attention", "next")
    assert "pull request" in shown
    assert "attractor pr next" in shown
    assert "Nothing else needs you." in shown

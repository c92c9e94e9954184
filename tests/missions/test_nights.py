"""Missions in the `MissionPlace` of this machine: real processes, and scripted agents."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from attractor.factory.ledger.ledger import LineKind
from attractor.missions import process
from attractor.missions.orders import Order
from attractor.missions.records import MissionFolder, Said, Word
from tests.counts import count
from tests.missions.desks import BRANCH, NAME, PLAN, MissionDesk
from tests.patience import wait_until
from tests.pipeline.projects import git

JUDGED = ("--suite", "todo", "--profile", "lenient")
KILLS = count(ci=4, full=40)


@pytest.fixture
def desk(tmp_path: object) -> Iterator[MissionDesk]:
    desk = MissionDesk(tmp_path)  # type: ignore[arg-type]
    yield desk
    desk.end()


def test_mission_lands_its_tasks_on_a_branch_of_its_own(desk: MissionDesk) -> None:
    desk.begin_project()
    head = git(desk.project, "rev-parse", "HEAD")
    assert desk.start()["status"] == "working"
    found = desk.wait()
    assert (found["status"], found["waits_for"]) == ("waiting", "its plan waits for a person")
    assert 'needs = ["hello", "bye"]' in desk.do("mission", "plan", NAME).stdout
    desk.do("mission", "plan", NAME, "--accept")
    found = desk.wait()
    assert (found["status"], found["waits_for"]) == ("ended", "all tasks are landed")
    assert [task["status"] for task in found["tasks"]] == ["landed"] * 3
    assert desk.show("both.txt") == "hello\nbye\n"
    assert git(desk.project, "rev-parse", "HEAD") == head
    assert [one.data["task"] for one in desk.landed()][2] == "both"
    assert desk.landed()[-1].data["after"] == git(desk.project, "rev-parse", BRANCH).strip()
    assert found["requirements"] == {"greet": ["hello"], "part": ["bye"]}
    require_count_of_manifests(desk, found)


def require_count_of_manifests(desk: MissionDesk, found: Any) -> None:
    """Require the figures of a report as they are counted from manifests and runs alone."""
    costs, tasks = Counter[str](), Counter[str]()
    runs = json.loads(desk.do("runs", "--limit", "99", "--json").stdout)
    for one in runs:
        manifest = json.loads((desk.project / "runs" / one["run_id"] / "manifest.json").read_text())
        work = manifest["options"]["mission"]
        assert work["mission"] == NAME
        costs[work["role"]] += one["cost_usd"]
        tasks[work["task"]] += work["role"] == "worker"
    assert len(runs) == found["runs"]
    assert {role: cost for role, cost in found["cost_by_role"].items() if role in costs} == costs
    assert all(tasks[one["id"]] == one["runs"] for one in found["tasks"])


def test_go_of_the_suite_ends_a_mission_and_a_person_promotes_it(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.register_suite()
    desk.start("--hands-off", *JUDGED)
    found = desk.wait()
    assert (found["status"], found["verdict"]) == ("ended", "go")
    run = found["judged_run"]
    waiting = [one["run_id"] for one in json.loads(desk.do("attention", "--json").stdout)]
    # Runs that judged earlier trees ask for no decision any more.
    assert (waiting, len(found["evaluations"])) == ([run], 3)
    assert found["command"] == f"attractor decide {run}"
    desk.decide("decide", run, "--approve", "--reason", "It greets and parts as asked.")
    desk.decide("promote", run, "--to", "main")
    assert git(desk.project, "show", "main:both.txt") == "hello\nbye\n"


def test_suite_that_wants_several_evaluations_gets_them(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.register_suite(gate="stability = 2\nmax_evaluations = 3")
    desk.start("--hands-off", *JUDGED)
    found = desk.wait()
    assert found["verdict"] == "go"
    assert len(desk.lines(LineKind.EVALUATED)) == 2 * len(found["evaluations"])


@pytest.mark.parametrize(
    ("more", "rule"), [("cat FOLDER/canary", "holdout_leak"), ("true", "isolation_unverified")]
)
def test_worker_that_leaked_or_had_no_sandbox_makes_a_verdict_no_go(
    desk: MissionDesk, more: str, rule: str
) -> None:
    more = more.replace("FOLDER", str(desk.folder))
    desk.begin_project(hello=f"echo hello > hello.txt; {more}")
    desk.register_suite()
    desk.start("--hands-off", "--suite", "todo")
    found = desk.wait()
    first = found["evaluations"][0].partition(":")[0]
    assert rule in desk.rules(first)
    # After a leak the suite cannot judge any more.
    wanted = "burned" if rule == "holdout_leak" else "no-go"
    assert wanted in found["verdict"]


def test_no_go_is_told_in_rules_and_counts_and_no_word_of_a_holdout(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.register_suite(wanted="a secret greeting")
    desk.start("--hands-off", *JUDGED)
    found = desk.wait()
    asked = desk.asked.read_text()
    assert "feedback.gate: no-go" in asked
    assert "secret" not in asked
    assert found["verdict"] == "no-go"
    # The planner that got the verdict planned the same tasks again, which is refused.
    assert "is done: give new work another id" in found["waits_for"]


def test_work_that_does_not_hold_is_returned_with_its_reason_and_given_up(
    desk: MissionDesk,
) -> None:
    check = "grep -q hello hello.txt || { echo hello.txt does not greet; false; }"
    plan = PLAN.replace("grep -q hello hello.txt", check)
    desk.begin_project(plan, hello="date +%N > hello.txt")
    desk.start("--hands-off")
    # A planner that plans the same again is refused, at the end by a person.
    assert desk.wait()["waits_for"].startswith("3 plans have faults")
    acted = [one["data"] for one in desk.journal() if one["kind"] == "acted"]
    assert [(one["rule"], one["task"]) for one in acted] == [
        ("failed_thrice", "hello"),
        ("needs", "both"),
    ]
    asked = desk.asked.read_text()
    assert "Earlier work on it was returned" in asked
    assert "hello.txt does not greet" in asked
    assert [one.data["task"] for one in desk.landed()] == ["bye"]


def test_train_scenario_that_held_before_must_hold_on_the_merged_tree(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.register_suite(train="test ! -e hello.txt || test ! -e bye.txt")
    desk.start("--hands-off", "--suite", "todo", "--profile", "lenient")
    desk.wait()
    [first] = [one.data["task"] for one in desk.landed()]
    returned = [one["data"] for one in desk.journal() if one["kind"] == "returned"]
    assert {(one["task"], one["cause"]) for one in returned} == {
        ("bye" if first == "hello" else "hello", "broken")
    }
    assert "train:holds: it does not hold" in returned[0]["words"]


def test_run_that_works_on_after_the_hours_is_canceled_and_the_mission_ends(
    desk: MissionDesk,
) -> None:
    desk.begin_project(hello="sleep 600")
    desk.start("--hands-off", "--hours", "0.02")
    found = desk.wait()
    assert "its 0.02 hours are over" in found["waits_for"]
    reasons = [one["data"]["reason"] for one in desk.journal() if one["kind"] == "ended"]
    # On a slow machine the hours may be over before the planner is ready.
    if any(one["data"].get("role") == "worker" for one in desk.journal()):
        assert any(f"mission {NAME}: its share is spent" in one for one in reasons)
    assert not json.loads(desk.do("attention", "--json").stdout)


ASK = """digraph ask {
  graph [inputs="check="]
  start [shape=Mdiamond]; done [shape=Msquare]
  gate [shape=hexagon, label="Go on?"]
  start -> gate
  gate -> done [label="[Y] Yes"]
  gate -> done [label="[N] No"]
}
"""


def test_run_that_asks_is_the_reason_and_is_canceled_with_the_mission(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.write(ASK, "ask.dot")
    git(desk.project, "add", "--all")
    git(desk.project, "commit", "--quiet", "--message", "Ask")
    desk.start("--hands-off", "--pipeline", "ask.dot")
    found = desk.wait()
    asking = found["command"].removeprefix("attractor answer ")
    assert found["waits_for"] == f"run {asking} asks a person"
    desk.do("mission", "stop", NAME)
    assert desk.wait()["waits_for"].startswith("stopped by ")
    shown = json.loads(desk.do("status", asking, "--json").stdout)
    assert shown["status"] == "canceled"
    assert not json.loads(desk.do("attention", "--json").stdout)


def test_word_that_comes_while_the_process_ends_is_heard(
    desk: MissionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.begin_project()
    desk.start()
    assert desk.wait()["waits_for"].startswith("its plan")
    really, stops = process.work, [Word(Said.STOPPED, "ann", datetime.now(UTC))]

    def work(folder: MissionFolder, *given: Any) -> Order | None:
        waits = really(folder, *given)
        while stops:
            folder.record(stops.pop())
        return waits

    monkeypatch.setattr(process, "work", work)
    monkeypatch.chdir(desk.project)
    for name, value in desk.environ.items():
        monkeypatch.setenv(name, value)
    process.main([NAME])
    assert desk.wait()["waits_for"].startswith("stopped by ann")


def test_pause_now_cancels_what_works_and_a_resume_does_it_anew(desk: MissionDesk) -> None:
    once = f"test -e {desk.folder}/again || {{ touch {desk.folder}/again; sleep 600; }}"
    desk.begin_project(hello=f"{once}; echo hello > hello.txt")
    desk.start("--hands-off")
    wait_until((desk.folder / "again").exists)
    desk.do("mission", "pause", NAME, "--now")
    found = desk.wait()
    assert found["waits_for"].startswith("paused by ")
    cut = [one["data"]["run_id"] for one in desk.journal() if one["kind"] == "canceled"]
    shown = json.loads(desk.do("status", cut[0], "--json").stdout)
    assert shown["status"] == "canceled"
    desk.do("mission", "resume", NAME)
    found = desk.wait()
    assert found["waits_for"] == "all tasks are landed"
    assert not [one for one in desk.journal() if one["kind"] == "returned"]


def test_work_on_files_that_a_task_does_not_name_is_returned(desk: MissionDesk) -> None:
    desk.begin_project(hello="echo hello > hello.txt; echo x > other.txt")
    desk.start("--hands-off")
    desk.wait()
    returned = [one["data"] for one in desk.journal() if one["kind"] == "returned"]
    assert {(one["task"], one["cause"]) for one in returned} == {("hello", "foreign")}
    assert returned[0]["words"] == "it changed files that the task does not name: other.txt"
    assert "other.txt" not in git(desk.project, "ls-tree", "-r", "--name-only", BRANCH)


def test_commit_by_hand_on_the_branch_waits_for_a_person(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.start()
    desk.wait()
    tree = git(desk.project, "rev-parse", "HEAD^{tree}").strip()
    other = git(desk.project, "commit-tree", "-p", "HEAD", "-m", "x", tree).strip()
    git(desk.project, "update-ref", f"refs/heads/{BRANCH}", other)
    desk.do("mission", "plan", NAME, "--accept")
    found = desk.wait()
    assert f"is at {other[:12]}, which no task of the mission made" in found["waits_for"]
    mend, resume = found["command"].split(" && ")
    git(desk.project, *mend.split()[1:])
    desk.do(*resume.split()[1:])
    assert desk.wait()["waits_for"] == "all tasks are landed"


@pytest.mark.crash
@pytest.mark.parametrize("moment", range(1, KILLS + 1))
def test_killed_mission_goes_on_to_the_same_end(desk: MissionDesk, moment: int) -> None:
    desk.begin_project()
    desk.start("--hands-off")
    lines = 1 + moment * 18 // KILLS
    wait_until(lambda: len(desk.journal()) >= lines or not desk.is_working())
    desk.kill()
    done = desk.do("mission", "resume", NAME)
    assert "has ended" in done.stderr or done.returncode == 0
    found = desk.wait()
    assert found["waits_for"] == "all tasks are landed"
    assert desk.show("both.txt") == "hello\nbye\n"
    assert sorted(str(one.data["task"]) for one in desk.landed()) == ["both", "bye", "hello"]
    begun = [one["data"] for one in desk.journal() if one["kind"] == "begun"]
    roles = Counter(one["role"] for one in begun)
    assert roles == {"planner": 1, "trial": 1, "worker": 3, "landing": 3}
    assert len(desk.runs()) == len(begun) == found["runs"]


def test_faulty_plan_is_sent_back_and_a_person_can_write_one(desk: MissionDesk) -> None:
    desk.begin_project(plan=PLAN.replace("grep -q hello hello.txt", "true"))
    desk.start("--hands-off")
    found = desk.wait()
    assert found["waits_for"].startswith("3 plans have faults")
    assert "its check holds whatever was done" in desk.asked.read_text()
    desk.write(PLAN, "mine.toml")
    done = desk.do("mission", "plan", NAME, "--edit", "mine.toml")
    assert done.returncode == 0, done.stderr
    assert desk.wait()["waits_for"] == "all tasks are landed"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "a mission needs an intent"),
        (("Greet", "--hours", "0"), "no time for a mission"),
        (("Greet", "--pipeline", "gone.dot"), "no pipeline gone.dot for the tasks"),
        (("Greet", "--pipeline", "pipeline.dot"), "pipeline.dot has no input check"),
        (("--from", "pipeline.dot", "--name", "a b"), "invalid name"),
    ],
)
def test_bad_input_is_refused(desk: MissionDesk, words: tuple[str, ...], fault: str) -> None:
    desk.begin_project()
    done = desk.do("mission", "start", *words)
    assert done.returncode == 2
    assert fault in done.stderr
    assert "attractor/mission" not in git(desk.project, "branch")


def test_token_alone_lets_no_mission_go_hands_off(desk: MissionDesk) -> None:
    desk.begin_project()
    words = ("mission", "start", "Greet", "--with", "command")
    assert desk.decide(*words, "--hands-off", expected=2).endswith("without ATTRACTOR_TOKEN)\n")
    desk.decide(*words, "--name", "asking")
    desk.do("mission", "stop", "asking")


def test_same_work_is_not_started_twice(desk: MissionDesk) -> None:
    desk.begin_project()
    desk.start()
    done = desk.do("mission", "start", "Greet and part", "--with", "command")
    assert f"the mission {NAME} works on that already" in done.stderr
    desk.do("mission", "stop", NAME)
    assert desk.wait()["waits_for"].startswith("stopped by ")


def test_second_mission_over_the_same_files_is_asked_about_and_has_its_own_branch(
    desk: MissionDesk,
) -> None:
    desk.begin_project()
    desk.write("Greet and part.", "SPEC.md")
    git(desk.project, "add", "SPEC.md")
    git(desk.project, "commit", "-qm", "Specify")
    words = ("--from", "SPEC.md", "--with", "command", "--sandbox", "none", "--hands-off")
    assert desk.do("mission", "start", *words, "--name", "one").returncode == 0
    refused = desk.do("mission", "start", *words)
    assert refused.returncode != 0
    assert "the mission one works on that already" in refused.stderr
    assert desk.do("mission", "start", *words, "--name", "two").returncode == 0
    head = git(desk.project, "rev-parse", "HEAD").strip()
    for name in ("one", "two"):
        found = json.loads(desk.do("mission", "show", name, "--wait", "--json").stdout)
        assert found["waits_for"] == "all tasks are landed"
        landed = [one.data["after"] for one in desk.landed() if one.data["mission"] == name]
        commits = git(desk.project, "rev-list", "--reverse", f"{head}..attractor/mission/{name}")
        assert commits.split() == landed
        assert len(landed) == len(PLAN.split("[[task]]")) - 1

"""Orders to a run from another terminal: answer, pause, resume, cancel."""

import json
import time
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.factory.ledger.tokens import TokenStore
from tests.cli.git_desk import is_there
from tests.cli.plain_desk import PlainDesk, desk as desk
from tests.cli.terminals import sit
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import PROGRAM

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
GATE = f"""digraph gate {{ {ENDS}
    ask  [shape=hexagon, label="Ship it?"]
    ship [shape=parallelogram, tool_command="echo ship >> done.txt"]
    drop [shape=parallelogram, tool_command="echo drop >> done.txt"]
    start -> ask
    ask -> ship [label="[S] Ship"]
    ask -> drop [label="[D] Drop"]
    ship -> exit; drop -> exit }}
"""
UNTIL_GO = "timeout 60 sh -c 'until [ -e go ]; do sleep 0.05; done'"
STEPS = f"""digraph steps {{ {ENDS}
    one [shape=parallelogram, tool_command="touch one; {UNTIL_GO}"]
    two [shape=parallelogram, tool_command="touch two"]
    start -> one -> two -> exit }}
"""
ITEMS = f"""digraph items {{ {ENDS}
    list [shape=parallelogram, tool_command="seq -f i%g 12"]
    each [type="for_each", items="context.tool.output"]
    g    [shape=hexagon, label="Approve?"]
    yes  [shape=parallelogram, tool_command="true"]
    no   [shape=parallelogram, tool_command="true"]
    join [shape=tripleoctagon]
    start -> list -> each -> g
    g -> yes [label="[A] Approve"]
    g -> no  [label="[R] Reject"]
    yes -> join; no -> join; join -> exit }}
"""
LONG = f"""digraph long {{ {ENDS}
    fork [shape=component]
    a [shape=parallelogram, tool_command="echo $$ > a.pid; sleep 300"]
    b [shape=parallelogram, tool_command="sleep 300 & echo $! > b.pid; wait"]
    meet [shape=tripleoctagon]
    start -> fork -> a -> meet
    fork -> b -> meet
    meet -> exit }}
"""


def status_of(desk: PlainDesk) -> dict[str, Any]:
    return json.loads(desk.do("status", "--json").stdout)


def test_parked_gate_is_answered_and_resumed_by_other_processes(desk: PlainDesk) -> None:
    desk.write(GATE)
    parked = desk.run("--interviewer", "park")
    assert parked.returncode == 3
    assert "attractor answer" in parked.stdout
    listed = desk.do("answer", "latest")
    assert (listed.returncode, "[S] Ship" in listed.stdout) == (0, True)
    [asked] = json.loads(desk.do("answer", "latest", "--json").stdout)
    assert (asked["id"], asked["text"]) == ("ask@1.1", "Ship it?")
    answered = desk.do("answer", "latest", "d", "--reason", "not now")
    assert answered.returncode == 0, answered.stderr
    assert not (desk.folder / "done.txt").exists()
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 0
    assert (desk.folder / "done.txt").read_text() == "drop\n"
    [action] = desk.events("OperatorAction")
    assert (action["data"]["value"], action["data"]["why"]) == ("D", "not now")
    assert action["data"]["by"]


def test_answer_records_how_its_author_was_identified(desk: PlainDesk) -> None:
    desk.write(ITEMS)
    desk.run("--interviewer", "park")
    secret = "a-secret-of-ann-that-is-long-enough"
    tokens, now = TokenStore(desk.folder / "state"), SystemClock().now()
    tokens.create("ann", "operate", secret, by="ann", now=now)
    words = ("answer", "latest", "A", "--question")
    assert desk.do(*words, "g@1.1").returncode == 0
    with sit([PROGRAM, *words, "g@2.1"], cwd=desk.place, environ=desk.environ) as at:
        assert at.ends_with() == 0
    with_token = {**desk.environ, "ATTRACTOR_TOKEN": secret}
    with sit([PROGRAM, *words, "g@3.1"], cwd=desk.place, environ=with_token) as at:
        assert at.ends_with() == 0
    orders = [order["data"] for order in desk.events("OperatorAction")]
    assert [order["proof"] for order in orders] == ["unverified", "terminal", "token ann"]
    assert "g@3.1: A by ann (token ann)" in desk.do("logs").stdout


def test_invalid_answer_changes_nothing(desk: PlainDesk) -> None:
    desk.write(GATE)
    desk.run("--interviewer", "park")
    before = desk.events("OperatorAction")
    wrong = desk.do("answer", "latest", "Perhaps")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "S ([S] Ship)" in wrong.stderr
    other = desk.do("answer", "latest", "S", "--question", "other")
    assert (other.returncode, "ask@1.1" in other.stderr) == (4, True)
    assert desk.events("OperatorAction") == before
    assert status_of(desk)["phase"] == "stage"


def test_run_without_questions_refuses_answers(desk: PlainDesk) -> None:
    desk.write(GATE.replace("hexagon", "box"))
    desk.run()
    refused = desk.do("answer", "latest", "S")
    assert (refused.returncode, "has no open question" in refused.stderr) == (4, True)
    assert desk.do("answer", "latest").stdout == "The run has no open questions.\n"


def test_paused_run_waits_until_resumed(desk: PlainDesk) -> None:
    desk.write(STEPS)
    process = desk.begin(*desk.to_run())
    wait_until((desk.folder / "one").exists)
    paused = desk.do("pause", "latest", "--reason", "lunch")
    assert paused.returncode == 0, paused.stderr
    (desk.folder / "go").touch()
    wait_until(lambda: status_of(desk)["next_node"] == "two")
    held = desk.do("run", "pipeline.dot", "--run-dir", str(next(desk.folder.glob("runs/0*"))))
    assert held.returncode != 0
    time.sleep(0.6)
    assert process.poll() is None
    output = desk.do("status", "latest").stdout
    assert "status     running (paused)\n" in output
    assert "paused     before stage two\n" in output
    assert status_of(desk)["paused"] is True
    assert not (desk.folder / "two").exists()
    assert desk.do("resume", "latest").returncode == 0
    assert process.wait(PATIENCE_S) == 0
    assert (desk.folder / "two").exists()
    actions = [one["data"]["action"] for one in desk.events("OperatorAction")]
    assert actions == ["pause", "resume"]
    assert (
        f"pause by {desk.events('OperatorAction')[0]['data']['by']}: lunch"
        in desk.do("logs").stdout
    )
    assert status_of(desk)["paused"] is False


def test_canceled_run_ends_with_its_processes(desk: PlainDesk) -> None:
    desk.write(LONG)
    process = desk.begin(*desk.to_run())
    pids = [desk.folder / "a.pid", desk.folder / "b.pid"]
    wait_until(lambda: all(one.exists() and one.read_text().strip() for one in pids))
    canceled = desk.do("cancel", "latest", "--reason", "a mistake")
    assert canceled.returncode == 0, canceled.stderr
    assert process.wait(PATIENCE_S) == 1
    assert not any(is_there(one.read_text().strip()) for one in pids)
    status = status_of(desk)
    assert (status["status"], "a mistake" in status["reason"]) == ("canceled", True)
    again = desk.do("cancel", "latest")
    assert (again.returncode, "is final" in again.stderr) == (4, True)
    assert desk.do("resume", "latest").returncode == 4


@pytest.mark.parametrize("words", [["pause", "latest"], ["steer", "latest", "Hurry"]])
def test_steer_without_a_live_process_is_refused(desk: PlainDesk, words: list[str]) -> None:
    desk.write(GATE)
    desk.run("--interviewer", "park")
    refused = desk.do(*words)
    assert (refused.returncode, "no process runs this run" in refused.stderr) == (4, True)
    assert list(desk.folder.glob("runs/*/inbox/*.json")) == []


def test_steer_without_a_running_agent_is_refused(desk: PlainDesk) -> None:
    desk.write(STEPS)
    process = desk.begin(*desk.to_run())
    wait_until((desk.folder / "one").exists)
    steered = desk.do("steer", "latest", "Hurry", "up", "--reason", "late", "--json")
    assert steered.returncode == 4
    refused = json.loads(steered.stdout)["error"]
    assert refused["message"] == "the message was refused: no running stage accepts messages"
    [action] = desk.events("OperatorAction")
    assert (action["data"]["value"], action["data"]["is_accepted"]) == ("Hurry up", False)
    assert "no running stage accepts messages" in action["data"]["why"]
    idle = desk.do("steer", "latest", "--node", "two", "Hurry")
    assert (idle.returncode, "two is not running; running: one" in idle.stderr) == (4, True)
    assert 'steer two: "Hurry" by ' in desk.do("logs").stdout
    (desk.folder / "go").touch()
    assert process.wait(PATIENCE_S) == 0


def test_gate_in_for_each_names_its_item(desk: PlainDesk) -> None:
    desk.write(ITEMS)
    parked = desk.run("--interviewer", "park")
    assert "question: Approve? (item 2 of 12 of each: i2)" in parked.stdout
    assert "question: 9 more" in parked.stdout
    listed = json.loads(desk.do("answer", "latest", "--json").stdout)
    assert [one["within"][0]["item"] for one in listed] == [f"i{at}" for at in range(1, 13)]
    assert listed[1]["branch"] == "each@1.1/02"
    assert listed[1]["within"][0]["index"] == 2
    assert "Approve?\n  (item 2 of 12 of each: i2)\n" in desk.do("answer", "latest").stdout
    output = desk.do("status").stdout
    assert "question   g@1.1: Approve?\n             (item 1 of 12 of each: i1)\n" in output
    assert " 9 more: attractor answer " in output
    command = output.partition("   attractor answer ")[2].partition("\n")[0]
    assert command.endswith(" --question g@1.1 A")
    assert desk.do("answer", *command.split()).returncode == 0
    refused = desk.do("answer", "latest", "A")
    assert refused.returncode == 2
    assert "--question g@2.1 or g@3.1 or g@4.1 (8 more); to list them" in refused.stderr


def test_all_questions_are_answered_at_once_or_none(desk: PlainDesk) -> None:
    desk.write(ITEMS)
    desk.run("--interviewer", "park")
    refused = desk.do("answer", "latest", "Z", "--all")
    assert (refused.returncode, "12 of 12 questions" in refused.stderr) == (2, True)
    assert desk.do("answer", "latest", "--all").returncode == 2
    assert desk.events("OperatorAction") == []
    done = desk.do("answer", "latest", "r", "--all", "--json")
    assert done.returncode == 0, done.stderr
    assert {(one["taken"], one["value"]) for one in json.loads(done.stdout)} == {(True, "R")}
    actions = [one["data"] for one in desk.events("OperatorAction")]
    assert [one["question"] for one in actions] == [f"g@{at}.1" for at in range(1, 13)]
    output = desk.do("status").stdout
    assert "waits for" not in output
    assert "answered   7 more\n" in output
    assert desk.do("resume", "latest", "--no-evaluate").returncode == 0

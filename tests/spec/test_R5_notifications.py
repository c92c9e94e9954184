"""Ruling R5: notifications about waiting gates do not affect the run."""

import json
from pathlib import Path
from typing import Any

from attractor import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION
from tests.spec.runs import Person, between, environ_for, events, project_in, resume, run
from tests.tables import table

GATE = between(
    'gate [shape=hexagon, label="Ship it?"]',
    "start -> gate",
    'gate -> exit [label="[Y] Yes"]',
    'gate -> gate [label="[N] No, ask again"]',
)
KEEPS = "cat >> told.jsonl; env > told.env"
SECRET = "s3cr3t-of-the-operator"


def set_up(folder: Path, command: str, *more: str) -> Path:
    project = project_in(folder)
    lines = ["[notify]", f"command = {json.dumps(command)}", *more]
    (project / "attractor.toml").write_text("\n".join(lines) + "\n")
    return project


def notices(folder: Path) -> list[dict[str, Any]]:
    file = project_in(folder) / "told.jsonl"
    sent = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    # Questions that are asked together are sent together.
    each = [notice for one in sent for notice in one.get("notices", [one])]
    return [one for one in each if one["kind"] == "question"]


def notified(result: RunResult) -> list[str]:
    found = events(result, "NotificationStarted", "NotificationCompleted", "NotificationFailed")
    return [one.type.removeprefix("Notification") for one in found if "question" in one.data]


def test_R5_notification_has_question_and_answer_commands(tmp_path: Path) -> None:
    set_up(tmp_path, KEEPS)
    environ = {**environ_for(tmp_path), "MY_API_KEY": SECRET}
    parked = run(tmp_path, GATE, interviewer="park", environ=environ)
    assert parked.status == AWAITING_ANSWER
    [one] = notices(tmp_path)
    assert one["run_id"] == parked.run_id
    assert (one["node"], one["question"]["text"], one["parked"]) == ("gate", "Ship it?", True)
    assert one["directory"] == str(parked.directory)
    assert one["answer"] == f"attractor answer {parked.run_id} --question gate@1.1"
    assert one["choices"][0]["command"] == f"{one['answer']} Y"
    variables = (project_in(tmp_path) / "told.env").read_text()
    assert "NOTIFY_NODE=gate\n" in variables
    assert "NOTIFY_QUESTION=Ship it?\n" in variables
    assert f"NOTIFY_ANSWER={one['answer']}\n" in variables
    assert SECRET not in variables
    assert notified(parked) == ["Started", "Completed"]


def test_R5_each_question_is_notified_once(tmp_path: Path) -> None:
    set_up(tmp_path, KEEPS)
    environ = environ_for(tmp_path)
    run(tmp_path, GATE, interviewer="park", environ=environ)
    again = resume(tmp_path, interviewer="park", environ=environ)
    assert again.status == AWAITING_ANSWER
    assert [one["question"]["id"] for one in notices(tmp_path)] == ["gate@1.1"]
    # A loop back to the gate asks another question.
    (again.directory / "inbox" / "A.json").write_text(
        json.dumps(
            {"action": "answer", "by": "ann", "why": "", "question": "gate@1.1", "value": "N"}
        )
    )
    resume(tmp_path, interviewer="park", environ=environ)
    assert [one["question"]["id"] for one in notices(tmp_path)] == ["gate@1.1", "gate@2.1"]


def test_R5_gates_in_branches_and_children_are_notified(tmp_path: Path) -> None:
    project = set_up(tmp_path, KEEPS)
    (project / "inner.dot").write_text(
        between(
            'review [shape=hexagon, label="Inside?"]',
            "start -> review",
            'review -> exit [label="[Y] Yes"]',
        )
    )
    text = between(
        "fan [shape=component]",
        'left [shape=hexagon, label="Left?"]',
        'inner [type=pipeline, file="inner.dot"]',
        "meet [shape=tripleoctagon]",
        "start -> fan; fan -> left; fan -> inner",
        'left -> meet [label="[Y] Yes"]',
        "inner -> meet; meet -> exit",
    )
    parked = run(tmp_path, text, interviewer="park", environ=environ_for(tmp_path))
    assert parked.status == AWAITING_ANSWER
    found = {one["question"]["id"]: one for one in notices(tmp_path)}
    assert sorted(found) == ["inner@1.1/review@1.1", "left@1.1"]
    assert all(one["run_id"] == parked.run_id and one["branch"] for one in found.values())


@table(
    ("command", "why"),
    [
        ("echo no network >&2; exit 3", "exit code 3: no network"),
        ("sleep 60", "the command did not end within 1s"),
        ("no-such-program-at-all", "command not found"),
    ],
)
def test_R5_a_hook_that_fails_stops_nothing(tmp_path: Path, command: str, why: str) -> None:
    set_up(tmp_path, command, "timeout_seconds = 1")
    parked = run(tmp_path, GATE, interviewer="park", environ=environ_for(tmp_path))
    assert parked.status == AWAITING_ANSWER
    [failed] = events(parked, "NotificationFailed")
    assert (failed.node, failed.data["messenger"]) == ("gate", "command")
    assert why in str(failed.data["error"])


def test_R5_question_answered_in_time_is_not_notified(tmp_path: Path) -> None:
    set_up(tmp_path, KEEPS)
    done = run(tmp_path, GATE, interviewer=Person("Y"), environ=environ_for(tmp_path))
    assert done.status == AWAITING_DECISION
    assert notified(done) == []


def test_R5_notification_hook_can_answer(tmp_path: Path) -> None:
    words = '{"action": "answer", "by": "hook", "why": "", "question": "gate@1.1", "value": "Y"}'
    leave = "cd $NOTIFY_DIRECTORY && cat > A.part && mv A.part inbox/A.json"
    set_up(tmp_path, f"echo '{words}' | ({leave})")
    parked = run(tmp_path, GATE, interviewer="park", environ=environ_for(tmp_path))
    [action] = events(parked, "OperatorAction")
    assert (action.data["by"], action.data["is_accepted"]) == ("hook", True)
    assert resume(tmp_path, environ=environ_for(tmp_path)).status == AWAITING_DECISION


def test_R5_notification_names_the_item_of_the_gate(tmp_path: Path) -> None:
    set_up(tmp_path, KEEPS)
    each = between(
        'list [shape=parallelogram, tool_command="echo alpha; echo beta"]',
        'each [type="for_each", items="context.tool.output"]',
        'gate [shape=hexagon, label="Ship it?"]',
        "join [shape=tripleoctagon]",
        "start -> list -> each -> gate",
        'gate -> join [label="[Y] Yes"]',
        "join -> exit",
    )
    parked = run(tmp_path, each, interviewer="park")
    assert parked.status == AWAITING_ANSWER
    found = {one["where"]: one for one in notices(tmp_path)}
    assert sorted(found) == ["item 1 of 2 of each: alpha", "item 2 of 2 of each: beta"]
    beta = found["item 2 of 2 of each: beta"]
    assert beta["branch"] == "each@1.1/2"
    assert beta["question"]["within"][0]["item"] == "beta"
    assert "NOTIFY_TITLE=2 notices: 2 question" in (project_in(tmp_path) / "told.env").read_text()

"""`status`, `runs`, `logs` and `resume` of a damaged run directory."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attractor.cli.runs.status import as_text, in_words
from attractor.engine.questions.question import Answer, AnswerKind, Question, QuestionKind
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.pipeline.status import RunStatusView
from attractor.records.summary import RunOverview
from tests.cli.running import attractor
from tests.factory.flows import REASON, Flow, make_flow
from tests.factory.test_tampering import change_early_line
from tests.pipeline.projects import make_project

BROKEN = 6
ASKING = """
digraph asking {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    gate  [shape=hexagon, label="Go on?"]
    start -> gate
    gate -> exit [label="[Y] Yes"]
}
"""


def call(flow: Flow, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    return attractor(*words, folder=flow.project, variables=state | variables)


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return make_flow(tmp_path)


def forge_status(result: RunResult, **lies: str) -> None:
    file = result.directory / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **lies}))


def test_forged_approval_is_not_shown(flow: Flow) -> None:
    forge_status(flow.launch(), status="approved", phase="")
    result = call(flow, "status")
    assert result.returncode == BROKEN
    assert "status     needs you (decision)\n" in result.stdout
    assert "run.json says approved" in result.stdout
    as_json = call(flow, "status", "--json")
    assert as_json.returncode == BROKEN
    assert json.loads(as_json.stdout)["status"] == "awaiting_human"
    listed = call(flow, "runs")
    assert listed.returncode == 0
    assert "needs you (decision)" in listed.stdout
    assert "\n  trouble: " in listed.stdout


def test_intact_run_is_shown_without_warnings(flow: Flow) -> None:
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    done = call(flow, "status")
    assert done.returncode == 0
    assert "status     approved\n" in done.stdout
    assert "\ntrouble " not in done.stdout
    assert "\n  trouble: " not in call(flow, "runs").stdout


def test_the_commands_that_decide_refuse_a_changed_journal(flow: Flow) -> None:
    change_early_line(flow.launch())
    token = flow.make_token()
    for words in (
        ["gate"],
        ["evaluate"],
        ["promote"],
        ["decide", "--approve", "--reason", REASON],
        ["decide", "--reject", "--operator", "--reason", REASON],
    ):
        refused = call(flow, *words, ATTRACTOR_TOKEN=token)
        assert (refused.returncode, refused.stdout) == (BROKEN, "")
        assert "events.jsonl: line 3 was changed" in refused.stderr


def test_log_marks_the_first_corrupt_line(flow: Flow) -> None:
    result = flow.launch()
    good = call(flow, "logs").stdout.splitlines()
    number = change_early_line(result)
    done = call(flow, "logs")
    assert done.returncode == BROKEN
    [mark] = [line for line in done.stdout.splitlines() if line.startswith("--")]
    assert mark.startswith(f"-- line {number} was changed")
    assert len(done.stdout.splitlines()) == len(good) + 1
    assert f"events.jsonl: line {number} was changed" in done.stderr
    as_json = call(flow, "logs", "--json")
    assert as_json.returncode == BROKEN
    journal = (result.directory / "events.jsonl").read_text()
    assert as_json.stdout.startswith(journal)
    assert json.loads(as_json.stdout[len(journal) :])["error"]["exit_code"] == BROKEN


def test_invalid_event_does_not_end_the_log(flow: Flow) -> None:
    result = flow.launch()
    journal = result.directory / "events.jsonl"
    whole = call(flow, "logs").stdout
    journal.write_bytes(b"not an event\n{}\n" + journal.read_bytes())
    done = call(flow, "logs")
    assert done.returncode == BROKEN
    assert done.stdout.splitlines()[0].startswith("-- line 1 is invalid JSON")
    assert done.stdout.splitlines()[1:] == whole.splitlines()


def test_incomplete_last_line_is_reported_by_log_and_resume(flow: Flow) -> None:
    result = flow.launch(evaluate=False)
    with (result.directory / "events.jsonl").open("ab") as journal:
        offset = journal.tell()
        journal.write(b'{"half":')
    torn = call(flow, "logs")
    assert torn.returncode == 0
    assert "The journal's last line is incomplete (8 bytes)" in torn.stderr
    resumed = call(flow, "resume", "latest")
    assert resumed.returncode == 0
    assert "8 bytes" in resumed.stderr
    after = call(flow, "logs")
    assert f"8 bytes at offset {offset}" in after.stdout
    assert "torn" not in after.stderr


def test_no_runs_are_reported(tmp_path: Path) -> None:
    for reference in ("latest", "01ABC"):
        result = attractor("status", reference, folder=tmp_path)
        assert result.returncode == 2
        assert "no run found in" in result.stderr
        assert "start one: attractor run FILE" in result.stderr
        assert "known: latest" not in result.stderr


def test_status_of_a_parked_run_shows_the_answer_command(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ASKING)
    state = {
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path),
    }
    options = ["--backend", "simulate", "--sandbox", "none", "--interviewer", "park"]
    parked = attractor("run", "pipeline.dot", *options, folder=project, variables=state)
    [answer] = [line for line in parked.stdout.splitlines() if line.startswith("  answer:")]
    command = answer.removeprefix("  answer:").strip()
    result = attractor("status", folder=project, variables=state)
    assert result.returncode == 0
    [run] = [one.name for one in (project / "runs").iterdir() if one.is_dir()]
    lines = result.stdout.splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("question   gate@1.1: Go on?"))
    assert lines[at + 1].split() == ["[Y]", "Yes", *command.replace("CHOICE", "Y").split()]
    assert run in command
    assert "\nlook " not in result.stdout


def waiting_summary(**changes: Any) -> RunOverview:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    question = Question("gate@1.1", "Go?", QuestionKind.FREEFORM, (), "gate")
    summary = RunOverview(
        "01AB",
        Path("/runs/01AB"),
        "asking",
        "",
        now,
        status="awaiting_human",
        phase="stage",
        reason="waits for an answer: Go?",
        stage="gate",
        is_live=True,
        questions=(question,),
    )
    return replace(summary, **changes)


def test_answered_run_is_not_waiting() -> None:
    assert in_words(waiting_summary()).endswith(
        "needs you (question), at gate, waits for an answer: Go?"
    )
    given = {"gate@1.1": Answer(AnswerKind.GIVEN, "Y", "ann")}
    answered = waiting_summary(questions=(), answers=given)
    assert in_words(answered).endswith("running, at gate")
    text = as_text(RunStatusView(answered, "01AB"), answered.started)
    assert "waits for" not in text
    assert "attractor answer" not in text


def test_several_questions_have_their_own_commands() -> None:
    [one] = waiting_summary().questions
    several = tuple(replace(one, id=f"gate@{at}.1") for at in (10, 2, 3, 4))
    waiting = waiting_summary(questions=several)
    text = as_text(RunStatusView(waiting, "01AB"), waiting.started).splitlines()
    at = text.index("question   gate@2.1: Go?")
    assert text[at + 1].split() == [
        *("free", "text:", "attractor", "answer", "01AB", "--question", "gate@2.1", "WORDS")
    ]
    assert "           1 more: attractor answer 01AB" in text


def test_incidents_of_a_run_are_a_list_of_the_run(flow: Flow) -> None:
    result = flow.launch()
    assert json.loads(call(flow, "status", "--json").stdout)["incidents"] == []
    with lock_run(result.directory, flow.opened) as run:
        run.emit("HoldoutLeaked", {"suite": "todo@1", "places": 2}, sync=True)
    [incident] = json.loads(call(flow, "status", "--json").stdout)["incidents"]
    words = "a holdout of suite todo@1 leaked, at 2 places"
    assert (incident["kind"], incident["words"]) == ("HoldoutLeaked", words)
    assert f"  {words}\n" in f"{call(flow, 'status').stdout}\n"


def test_status_after_the_last_stage_does_not_say_before_the_first() -> None:
    live = waiting_summary(phase="", status="executing", stage="", questions=())
    found = {
        outcome: as_text(RunStatusView(replace(live, outcome=outcome), "01AB"), live.started)
        for outcome in ("", "success")
    }
    assert "before the first stage" in found[""]
    assert "after the last stage" in found["success"]
    assert "before the first" not in found["success"]

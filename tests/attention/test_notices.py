"""A notice has the words and the command of its row of attention, and a link that opens the row."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from attractor.attention.reading import read_attention
from attractor.attention.snoozing import snooze
from attractor.base.clock import SystemClock
from attractor.base.json import JsonObject
from attractor.factory.open_project import open_project
from attractor.factory.operations.evaluate import request_evaluation
from attractor.pipeline.notifications import combine, note_address
from attractor.pipeline.project.project import Notify, Project
from tests.attention.test_reading import FAILS, GATE, NAPS
from tests.factory.flows import make_flow
from tests.tables import table
from tests.worlds.desks import SPAWN, PlacedDesk, desk

__all__ = ["desk"]

ADDRESS = "http://127.0.0.1:8000"
RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")


def told(project: Project) -> dict[str, Any]:
    [notice] = (project.root / "told.jsonl").read_text().splitlines()
    return json.loads(notice)


def row_in(notice: dict[str, Any]) -> str:
    page, _, row = str(notice["address"]).partition("?row=")
    assert page == f"{ADDRESS}/attention"
    return unquote(row)


def set_up(desk: PlacedDesk, text: str) -> Project:
    desk.write(text)
    desk.write('[notify]\ncommand = "cat >> told.jsonl"\n', "attractor.toml")
    project = open_project(desk.place, desk.environ).project
    note_address(project, ADDRESS)
    return project


@table(
    ("text", "words", "kind"),
    [
        (GATE, ("--interviewer", "park"), "question"),
        (NAPS, ("--max-duration", "100ms"), "budget"),
    ],
)
def test_question_and_limit_have_the_words_of_their_rows(
    desk: PlacedDesk, text: str, words: tuple[str, ...], kind: str
) -> None:
    (desk.place / "told.jsonl").unlink(missing_ok=True)
    project = set_up(desk, text)
    assert desk.do(*RUN, *words).returncode == 3
    row, notice = desk.rows()[-1], told(project)
    assert (notice["kind"], row["run_id"]) == (kind, notice["run_id"])
    assert [notice["text"], notice["command"]] == [row["reason"], row["command"]]
    assert row_in(notice) == row["id"]


@table(("wanted", "verdict"), [("made", "gate: go"), ("quokka", "gate: no-go")])
def test_decision_has_verdict_and_subject_in_row_and_notice(
    tmp_path: Path, wanted: str, verdict: str
) -> None:
    flow = make_flow(tmp_path / wanted, wanted=wanted)
    flow.opened.identity.create_id()
    notify = Notify(command="cat >> told.jsonl", folder=flow.project)
    flow = flow.adjusted(notify=notify)
    note_address(flow.opened.project, ADDRESS)
    result = flow.launch(goal="Say hello")
    [row] = read_attention(flow.machine.state_dir, SystemClock().now(), {}).rows
    notice = told(flow.opened.project)
    assert (row.need, row.reason) == (notice["kind"], f"{verdict}; Say hello")
    assert [notice["text"], notice["command"]] == [row.reason, f"attractor decide {result.run_id}"]
    assert (row_in(notice), row.command) == (row.id, notice["command"])


def test_snoozed_decision_is_a_row_again_after_another_evaluation(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    state, now = flow.machine.state_dir, SystemClock().now()
    [row] = read_attention(state, now, {}).rows
    snooze(state, row, now + timedelta(hours=1), now)
    assert read_attention(state, now, {}).rows == []
    request_evaluation(result.directory, flow.opened, by="ann")
    flow.resume(result)
    assert [one.need for one in read_attention(state, now, {}).rows] == ["decision"]


def test_notice_of_a_failed_task_opens_the_answer_of_its_actor(desk: PlacedDesk) -> None:
    project = set_up(desk, FAILS.format(status=7))
    assert desk.do(*SPAWN, "--name", "fails", "test it").returncode == 0
    desk.do("actor", "wait", "fails", "--timeout", "30s")
    [row] = desk.rows()
    notice = told(project)
    assert (notice["kind"], row["need"], row_in(notice)) == ("failed", "failed", row["id"])
    assert notice["text"] == row["reason"]


def test_several_notices_open_the_list_of_what_needs_a_person() -> None:
    done: JsonObject = {"kind": "done", "address": f"{ADDRESS}/runs/01"}
    asked: JsonObject = {"kind": "question", "address": f"{ADDRESS}/attention?row=question%3A"}
    unknown: JsonObject = {"kind": "done", "address": ""}
    found = [combine(notices) for notices in ([done, done], [done, asked], [unknown, unknown])]
    assert [(one["command"], one["address"]) for one in found] == [
        ("attractor runs", f"{ADDRESS}/runs"),
        ("attractor attention", f"{ADDRESS}/attention"),
        ("attractor runs", ""),
    ]

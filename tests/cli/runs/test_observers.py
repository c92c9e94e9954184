"""Output during a question, and the JSON lines of a run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from attractor.base.events import Event
from attractor.cli.runs.observers import EventPrinter, JsonLinePrinter
from attractor.engine.run_folder.layout import RunDirectory
from tests.cli.git_desk import UNGUARDED, GitDesk, desk as desk
from tests.cli.runs.live.run_events import CHILD, RunEvents, write_manifest
from tests.cli.test_live_terminal import WISH
from tests.pipeline.projects import LINEAR

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stage_started(node: str) -> Event:
    return Event(time=NOW, run_id="r", type="StageStarted", node=node, visit=1)


def printed_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.split("  ", 1)[1] for line in capsys.readouterr().err.splitlines()]


def test_held_lines_are_printed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EventPrinter()
    lines(stage_started("a"))
    with lines.held():
        lines(stage_started("b"))
        lines(stage_started("c"))
        assert printed_lines(capsys) == ["a: started"]
    assert printed_lines(capsys) == ["b: started", "c: started"]
    lines(stage_started("d"))
    assert printed_lines(capsys) == ["d: started"]
    lines = EventPrinter()

    def leave() -> None:
        with lines.held():
            lines(stage_started("a"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert printed_lines(capsys) == ["a: started"]


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def journal_of(root: Path) -> list[Any]:
    return lines_of((root / "events.jsonl").read_text())


def test_a_run_prints_its_journal_and_its_result_and_nothing_else(desk: GitDesk) -> None:
    desk.make(LINEAR)
    *events, result = lines_of(desk.do("run", "pipeline.dot", *UNGUARDED, "--json").stdout)
    [root] = desk.runs()
    assert events == journal_of(root)
    assert result["directory"] == str(root)
    assert (result["outcome"], result["exit_code"]) == ("success", 0)


def test_resumed_run_prints_new_events_only(desk: GitDesk) -> None:
    desk.make(WISH, go="")
    root = desk.run("--interviewer", "park")
    before = len(journal_of(root))
    desk.do("answer", "latest", "Y")
    # The process died within a line; the next line replaces the incomplete one.
    with (root / "events.jsonl").open("a") as journal:
        journal.write('{"torn')
    answered = len(journal_of_whole(root))
    done = desk.do("resume", "latest", "--no-evaluate", "--json")
    *events, result = lines_of(done.stdout)
    assert before < answered
    assert events == journal_of(root)[answered:]
    assert result["outcome"] == "success"


def journal_of_whole(root: Path) -> list[Any]:
    whole, _, _ = (root / "events.jsonl").read_text().rpartition("\n")
    return lines_of(whole)


def write(journal: Path, run: RunEvents) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text("".join(f"{json.dumps(one.to_record())}\n" for one in run.events))


def test_missed_events_are_read_from_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunEvents()
    first, _, third, _ = [run.tell("StageStarted", f"n{number}") for number in range(4)]
    stream = JsonLinePrinter(tmp_path)
    stream.begin(None)
    write(RunDirectory(tmp_path / run.run_id).events, run)
    stream(first)
    stream(third)
    stream.end()
    assert [one["node"] for one in lines_of(capsys.readouterr().out)] == ["n0", "n1", "n2", "n3"]


def test_events_of_children_and_restarted_runs_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, then = RunEvents(), RunEvents(CHILD)
    child = RunEvents("01JZ0000000000000000000002", prefix="sub@1.1")
    run.tell("RunRestarting", run_id=CHILD, node="plan", restart=1)
    then.tell("RunRestarted", parent=run.run_id, node="plan")
    then.tell("StageStarted", "plan")
    write(RunDirectory(tmp_path / run.run_id).events, run)
    write(RunDirectory(tmp_path / CHILD).events, then)
    stream = JsonLinePrinter(tmp_path)
    stream.begin(None)
    stream(run.events[0])
    stream(child.tell("StageStarted", "inner"))
    stream(then.events[1])
    stream.end()
    found = lines_of(capsys.readouterr().out)
    kinds = ["RunRestarting", "StageStarted", "RunRestarted", "StageStarted"]
    assert [one["type"] for one in found] == kinds
    assert found[1]["branch"] == "sub@1.1"


def test_refused_resume_prints_no_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, place = RunEvents(), tmp_path / "run"
    write(RunDirectory(place).events, run)
    write_manifest(place)
    stream = JsonLinePrinter(tmp_path)
    stream.begin(place)
    run.tell("StageStarted", "plan")
    write(RunDirectory(place).events, run)
    stream.end()
    assert capsys.readouterr().out == ""

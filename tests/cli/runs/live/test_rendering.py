"""The drawing of a run fits the terminal, and shows stages, questions, cost and time."""

from datetime import datetime

import pytest
from hypothesis import given, strategies as st
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from attractor.cli.runs.live.render import TALLEST, DisplaySize, render
from attractor.cli.runs.live.state import RunView
from tests.cli.runs.live.run_events import RunEvents, a_run


def drawn(view: RunView, now: datetime, look: DisplaySize) -> list[str]:
    return [line.plain for line in render(view, now, look)]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_run_at_work(width: int, snapshot: SnapshotAssertion) -> None:
    run = a_run()
    assert "\n".join(drawn(run.view, run.now, DisplaySize(width, 30))) == snapshot


def test_without_unicode(snapshot: SnapshotAssertion) -> None:
    run = a_run()
    lines = drawn(run.view, run.now, DisplaySize(60, 30, is_ascii=True))
    assert "\n".join(lines).isascii()
    assert "\n".join(lines) == snapshot


def test_low_terminal_shows_running_stages_first(snapshot: SnapshotAssertion) -> None:
    run = a_run()
    assert "\n".join(drawn(run.view, run.now, DisplaySize(60, 10))) == snapshot


def test_many_stages_and_questions_are_counted() -> None:
    run = RunEvents()
    for number in range(2000):
        run.stage("loop", visit=number + 1)
    lines = drawn(run.view, run.now, DisplaySize(80, 100))
    assert len(lines) == TALLEST
    assert lines[1].strip() == "… 1973 earlier"
    assert lines[-2].startswith("✓ loop@2000")
    assert lines[-1] == "2000 stages"
    run = RunEvents()
    run.stage("plan")
    for number in range(300):
        run.tell("StageStarted", "item", visit=number + 1, branch=f"each@1.1/{number}")
    lines = drawn(run.view, run.now, DisplaySize(80, 24))
    assert lines[1].startswith("✓ plan")
    assert "… 287 more running" in [one.strip() for one in lines]
    assert lines[-1] == "1 stage, 300 running"
    run = RunEvents()
    for number in range(5):
        run.tell("StageStarted", f"ask{number}")
        run.ask(f"ask{number}", "StageParked")
    lines = drawn(run.view, run.now, DisplaySize(80, 24))
    assert "? 2 more questions" in lines
    assert f"  attractor answer {run.run_id}" in lines


@given(
    st.integers(1, 200),
    st.integers(1, 60),
    st.booleans(),
    st.lists(st.text(max_size=30) | st.sampled_from(["漢字" * 20, "\x1b[2J", "👩‍💻"]), max_size=12),
)
def test_no_line_is_longer_than_the_terminal_and_not_more_than_fit(
    width: int, height: int, is_ascii: bool, names: list[str]
) -> None:
    run = a_run()
    for name in names:
        run.stage(f"n{name}")
        run.tell("StageStarted", f"w{name}")
        run.tell("ASSISTANT_TEXT_END", f"w{name}", text=f"{name}\n{name}")
        run.ask(f"w{name}")
    lines = drawn(run.view, run.now, DisplaySize(width, height, is_ascii=is_ascii))
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= max(1, height - 1)
    assert not any(one in line for line in lines for one in "\n\r\x1b\t")


def test_failed_notification_is_shown() -> None:
    run = a_run()
    fault = "exit code 2: no \x1b[2Jbell"
    run.tell("NotificationFailed", "gate", question="gate@1.1", messenger="command", error=fault)
    lines = drawn(run.view, run.now, DisplaySize(80, 30))
    [line] = [one.rstrip() for one in lines if one.startswith("!")]
    assert line.startswith("! gate: notification failed by command: exit code 2: no ")
    assert "\x1b" not in line

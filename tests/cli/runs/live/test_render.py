"""Of an output of which only the last lines are seen, each line is told once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.cli.runs.live.last_lines import LEFT_OUT, PrintedLines, new_lines
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.folder import TAIL
from tests.cli.runs.live.run_events import Happenings

SEEN = 5


@pytest.mark.parametrize(
    ("before", "now", "fresh"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("aa", "aaa", "a"),
    ],
)
def test_old_lines_are_not_printed_again(before: str, now: str, fresh: str) -> None:
    assert "".join(new_lines(tuple(before), tuple(now))) == fresh


def test_missed_lines_are_marked() -> None:
    assert new_lines(("a", "b"), ("x", "y")) == [LEFT_OUT, "x", "y"]


@given(st.lists(st.integers(1, SEEN - 1), min_size=1, max_size=8))
def test_frequent_checks_print_every_line_once(steps: list[int]) -> None:
    printed: list[str] = []
    told: list[str] = []
    before: tuple[str, ...] = ()
    for step in steps:
        printed += [f"line {len(printed) + n}" for n in range(step)]
        now = tuple(printed[-SEEN:])
        told += new_lines(before, now)
        before = now
    assert told == printed


def test_new_attempt_starts_from_its_first_line(tmp_path: Path) -> None:
    run, lines = Happenings(), PrintedLines(RunDirectory(tmp_path))
    tail = tmp_path / "build" / TAIL
    tail.parent.mkdir()
    lines.hear(run.tell("StageStarted", "build"))
    tail.write_text("same\n")
    assert [one.strip() for one in lines.more()] == ["build | same"]
    assert list(lines.more()) == []
    lines.hear(run.tell("StageStarted", "build", attempt=2))
    assert [one.strip() for one in lines.more()] == ["build, attempt 2 | same"]
    lines.hear(run.tell("StageCompleted", "build", attempt=2, outcome="success"))
    assert list(lines.more()) == []


def test_only_the_selected_node_is_printed(tmp_path: Path) -> None:
    run, lines = Happenings(), PrintedLines(RunDirectory(tmp_path), "test")
    for node in ("build", "test"):
        (tmp_path / node).mkdir()
        (tmp_path / node / TAIL).write_text(f"from {node}\n")
        lines.hear(run.tell("StageStarted", node))
    assert [one.strip() for one in lines.more()] == ["test | from test"]
